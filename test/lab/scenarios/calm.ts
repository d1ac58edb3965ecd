/** Nobody is to be ended, whatever it looks like. */
import type { Scenario } from "../scenario.ts";
import { clerk, database, plainVm } from "./growth.ts";

const tmpfs = "/run/plimsoll-tmpfs";

export const calm: readonly Scenario[] = [
  {
    name: "tmpfs-fills",
    story: "A tmpfs takes all memory, and no process could bring it back: nobody is to be ended.",
    vm: plainVm,
    tmpfs,
    programs: [
      { name: "editor", args: ["grow", "--from", "12"], at: "before" },
      clerk,
      {
        name: "writer",
        args: ["fill", "--path", `${tmpfs}/file`, "--to", "2000", "--rate", "300", "--leave", "24"],
        at: 1500,
      },
    ],
    victim: null,
    innocents: ["editor", "clerk"],
    lastMs: 12_000,
  },
  {
    name: "benign-burst",
    story:
      "A program takes 1,000 MiB/s, stops with 160 MiB to spare and gives all back: nobody is to be ended.",
    vm: plainVm,
    programs: [
      database("postgres", 100),
      clerk,
      {
        name: "sorter",
        args: ["grow", "--to", "3000", "--rate", "1000", "--leave", "160", "--free", "1500"],
        at: 1500,
      },
    ],
    victim: null,
    innocents: ["postgres", "clerk", "sorter"],
    lastMs: 9_000,
  },
  {
    name: "calm-swap",
    story:
      "More than memory holds, but what is swapped out stays out and swap is free: nobody is to be ended.",
    vm: { memory: "512M", swap: "1G", cgroup: "v2" },
    programs: [
      database("postgres", 40),
      clerk,
      { name: "archive", args: ["grow", "--from", "300"], at: "before" },
      { name: "cold", args: ["grow", "--to", "300", "--rate", "60"], at: 1500 },
    ],
    victim: null,
    innocents: ["postgres", "clerk", "archive", "cold"],
    lastMs: 12_000,
  },
];
