/** What makes guards end the wrong one. */
import type { Scenario } from "../scenario.ts";
import { clerk, database, plainVm } from "./growth.ts";

export const traps: readonly Scenario[] = [
  {
    name: "protected-big",
    story:
      "The policy says never to the largest, which grows slowly; a worker grows at 60 MiB/s: the worker is to be ended.",
    vm: plainVm,
    never: ["bigdb"],
    programs: [
      { name: "bigdb", args: ["grow", "--from", "400", "--to", "3000", "--rate", "4"], at: "before" },
      clerk,
      { name: "worker", args: ["grow", "--to", "3000", "--rate", "60"], at: 1500 },
    ],
    victim: { name: "worker", which: "all" },
    innocents: ["bigdb", "clerk"],
    lastMs: 20_000,
  },
  {
    name: "shared-server",
    story:
      "Eight processes map the same 450 MiB, a leak of 50 MiB/s grows beside them: the leak is to be ended.",
    vm: plainVm,
    programs: [
      { name: "server", args: ["share", "--to", "450", "--children", "8"], at: "before" },
      clerk,
      { name: "leaky", args: ["grow", "--to", "3000", "--rate", "50"], at: 1500 },
    ],
    victim: { name: "leaky", which: "all" },
    innocents: ["server", "clerk"],
    lastMs: 25_000,
  },
  {
    name: "small-tab",
    story:
      "A small tab has oom_score_adj 300; a leak of 50 MiB/s is what would bring memory back: the leak is to be ended.",
    vm: plainVm,
    programs: [
      ...["postgres", "redis", "mysqld"].map((name) => database(name, 130)),
      { name: "tab", args: ["grow", "--from", "70"], at: "before", oomScoreAdj: 300 },
      { name: "tabtwo", args: ["grow", "--from", "70"], at: "before", oomScoreAdj: 300 },
      clerk,
      { name: "leaky", args: ["grow", "--to", "3000", "--rate", "50"], at: 1500 },
    ],
    victim: { name: "leaky", which: "all" },
    innocents: ["postgres", "redis", "mysqld", "tab", "tabtwo", "clerk"],
    lastMs: 25_000,
  },
  {
    name: "thrash",
    story:
      "A working set larger than memory is touched at random while swap is free: the thrasher is to be ended.",
    vm: { memory: "512M", swap: "1G", cgroup: "v2" },
    programs: [
      database("postgres", 60),
      clerk,
      { name: "thrasher", args: ["touch", "--to", "650", "--order", "random"], at: 1500 },
    ],
    victim: { name: "thrasher", which: "all" },
    innocents: ["postgres", "clerk"],
    lastMs: 25_000,
  },
  {
    name: "swap-runs-out",
    story: "A leak of 60 MiB/s eats memory and then swap: it is to be ended before both are gone.",
    vm: { memory: "512M", swap: "512M", cgroup: "v2" },
    programs: [
      database("postgres", 120),
      clerk,
      { name: "leaky", args: ["grow", "--from", "400", "--to", "3000", "--rate", "60"], at: 1500 },
    ],
    victim: { name: "leaky", which: "all" },
    innocents: ["postgres", "clerk"],
    lastMs: 45_000,
  },
];
