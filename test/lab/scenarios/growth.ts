/** One program grows until there is no memory left. */
import type { Program, Scenario, VmShape } from "../scenario.ts";

export const plainVm: VmShape = { memory: "1G", swap: null, cgroup: "v2" };

/** A small busy program that is never to suffer. */
export const clerk: Program = { name: "clerk", args: ["beat", "--every", "20"], at: "before" };

/** Holds memory, works on it a little, and has been there for long. */
export function database(name: string, mib: number): Program {
  return { name, args: ["touch", "--to", String(mib), "--rate", "4"], at: "before" };
}

function growing(name: string, rate: number, more: readonly string[] = []): Program {
  return { name, args: ["grow", "--to", "3000", "--rate", String(rate), ...more], at: 1500 };
}

export const growth: readonly Scenario[] = [
  {
    name: "old-database-young-leak",
    story: "A leak of 60 MiB/s beside a database that is larger and older: the leak is to be ended.",
    vm: plainVm,
    programs: [database("postgres", 420), clerk, growing("leaky", 60)],
    victim: { name: "leaky", which: "all" },
    innocents: ["postgres", "clerk"],
    lastMs: 30_000,
  },
  {
    name: "fast-hog",
    story:
      "A program takes 2,000 MiB/s: it is to be ended, and nobody beside it in the moment its memory comes back.",
    vm: plainVm,
    programs: [database("redis", 150), clerk, growing("hog", 2000, ["--huge"])],
    victim: { name: "hog", which: "all" },
    innocents: ["redis", "clerk"],
    lastMs: 15_000,
  },
  {
    name: "slow-leak-v1",
    story: "A leak of 20 MiB/s named to confuse parsers, on a host with cgroup v1: the leak is to be ended.",
    vm: { memory: "512M", swap: null, cgroup: "v1" },
    programs: [database("mysqld", 60), clerk, growing("a) R 1 (b", 20, ["--from", "100"])],
    victim: { name: "a) R 1 (b", which: "all" },
    innocents: ["mysqld", "clerk"],
    lastMs: 30_000,
  },
  {
    name: "ignores-sigterm",
    story: "A hog of 100 MiB/s ignores SIGTERM: it is to be ended all the same, before the kernel has to.",
    vm: plainVm,
    programs: [database("redis", 150), clerk, growing("stubborn", 100, ["--ignore-term", "--leave", "12"])],
    victim: { name: "stubborn", which: "all" },
    innocents: ["redis", "clerk"],
    lastMs: 30_000,
  },
  {
    name: "slow-to-end",
    story:
      "A hog cleans up for 1.5 s after SIGTERM before its memory is back: nobody else is to be ended meanwhile.",
    vm: plainVm,
    programs: [database("redis", 200), clerk, growing("closing", 100, ["--term-delay", "1500"])],
    victim: { name: "closing", which: "all" },
    innocents: ["redis", "clerk"],
    lastMs: 30_000,
  },
  {
    name: "idle-jvm-beside-hog",
    story: "A large idle program beside a hog of 200 MiB/s: idleness is no guilt, the hog is to be ended.",
    vm: plainVm,
    programs: [
      { name: "java", args: ["grow", "--from", "450"], at: "before" },
      clerk,
      growing("importer", 200),
    ],
    victim: { name: "importer", which: "all" },
    innocents: ["java", "clerk"],
    lastMs: 20_000,
  },
  {
    name: "guards-own-parent",
    story:
      "The largest program is the guard's own parent, a leak of 80 MiB/s grows beside it: the leak is to be ended.",
    vm: plainVm,
    guardParent: { name: "supervisor", args: ["nest", "--to", "420"] },
    programs: [clerk, growing("leaky", 80)],
    victim: { name: "leaky", which: "all" },
    innocents: ["supervisor", "clerk"],
    lastMs: 25_000,
  },
];
