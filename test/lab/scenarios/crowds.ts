/** Many small processes are the hog together. */
import type { Scenario } from "../scenario.ts";
import { clerk, database, plainVm } from "./growth.ts";

const job = "/sys/fs/cgroup/plimsoll-job";

export const crowds: readonly Scenario[] = [
  {
    name: "fork-bomb",
    story: "A fork bomb of up to 220 processes of 5 MiB, beside larger innocents: all of it is to be ended.",
    vm: plainVm,
    programs: [
      database("postgres", 150),
      clerk,
      { name: "bomb", args: ["bomb", "--children", "220", "--each", "5", "--pace", "1.5"], at: 1500 },
    ],
    victim: { name: "bomb", which: "all" },
    innocents: ["postgres", "clerk"],
    lastMs: 18_000,
  },
  {
    name: "build-storm",
    story:
      "A build begins more compilers than fit, each smaller than the editor beside it: the build is to be ended.",
    vm: plainVm,
    programs: [
      { name: "editor", args: ["grow", "--from", "180"], at: "before" },
      clerk,
      {
        name: "cc1",
        args: ["fork", "--children", "200", "--each", "28", "--pace", "12", "--rate", "14", "--hold", "2500"],
        at: 1500,
      },
    ],
    victim: { name: "cc1", which: "any" },
    innocents: ["editor", "clerk"],
    lastMs: 20_000,
  },
  {
    name: "oom-group",
    story: "Three workers of a cgroup with memory.oom.group grow: the cgroup is to be ended as one.",
    vm: plainVm,
    cgroup: { path: job, file: "memory.oom.group", value: "1" },
    programs: [
      database("postgres", 250),
      clerk,
      ...[1500, 1800, 2100].map((at) => ({
        name: "worker",
        args: ["grow", "--to", "900", "--rate", "40"],
        at,
        cgroup: job,
      })),
    ],
    victim: { name: "worker", which: "all" },
    innocents: ["postgres", "clerk"],
    lastMs: 20_000,
  },
];
