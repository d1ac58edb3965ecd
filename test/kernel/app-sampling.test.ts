import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { expect, test } from "vitest";
import { PollEvent, PollSet } from "../../src/native/poll.ts";
import { applicationOf, startChild, WatchedApplication } from "../support/applications.ts";
import { need } from "../support/needs.ts";
import { childrenOf, isAlive } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

/** Beside each test's own word on the command line: tests of others run beside. */
const TAG = `plimsoll-test-${process.pid}`;
const PYTHON =
  ["/usr/bin/python3", "/usr/local/bin/python3"].find((file) => fs.existsSync(file)) ?? "python3";

function installed(program: string, ...args: readonly string[]): () => string | null {
  return () => (spawnSync(program, args).error === undefined ? null : `needs ${program}`);
}
const pmap = installed("pmap", "-V");
const python = installed(PYTHON, "-V");
const erlang = installed("erl", "-version");
const jshell = installed("jshell", "--version");

/** "writeable/private" of pmap -d, in bytes: it counts in KiB. */
function pmapBytes(pid: number): number | null {
  const { stdout } = spawnSync("pmap", ["-d", String(pid)], { encoding: "utf8", maxBuffer: 2 ** 26 });
  const match = /writeable\/private: (\d+)K/.exec(stdout);
  return match === null ? null : Number(match[1]) * 1024;
}

function mappingsOf(pid: number): number {
  try {
    return fs.readFileSync(`/proc/${pid}/maps`, "latin1").split("\n").length;
  } catch {
    return 0;
  }
}

const SLEEP = "import time; time.sleep(600)";
const MAPPINGS = `
import mmap, time
parts = [mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ | (i % 2 * mmap.PROT_WRITE)) for i in range(6000)]
parts.append(mmap.mmap(-1, 1 << 22, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))
time.sleep(600)
`;

/** How many mappings each has at least when it has started. */
const PROGRAMS: readonly (readonly [string, () => string | null, number, readonly string[]])[] = [
  ["a Python program", python, 30, [PYTHON, "-c", SLEEP]],
  ["a program of thousands of mappings", python, 6000, [PYTHON, "-c", MAPPINGS]],
  ["a Node program", () => null, 50, [process.execPath, "-e", "setInterval(() => {}, 60000)"]],
  ["Erlang's VM", erlang, 50, ["erl", "-noshell", "-noinput"]],
  ["a Java VM", jshell, 100, ["jshell", "--execution", "local", "-R-Dplimsoll=x"]],
];

test.for(PROGRAMS)(
  "what is allocated is what pmap -d counts: %s",
  async ([, needed, mappings, call], context) => {
    need(context, pmap, needed);
    const word = `${TAG}-pmap`;
    const [file = "", ...args] = call;
    // A Java VM has no place for a word of ours but a property.
    const tagged = file === "jshell" ? [...args, `-R-Dtag=${word}`] : [...args, word];
    startChild(context, file, tagged, { stdio: ["pipe", "ignore", "ignore"] });
    const watched = new WatchedApplication(context, applicationOf([{ cmdline: word }]));
    // A program that still starts allocates between two looks: those count that agree before and after.
    const agreed = await waitFor(
      "two equal looks around pmap's",
      () => {
        const [before] = watched.look().values();
        if (before === undefined || mappingsOf(before.pid) < mappings) return null;
        const counted = pmapBytes(before.pid);
        const ours = watched.look().get(before.pid)?.allocatedBytes;
        return ours === before.allocatedBytes && counted !== null ? { ours, counted } : null;
      },
      30_000,
    );
    expect(agreed.ours).toBe(agreed.counted);
    expect(agreed.ours).toBeGreaterThan(100 * 1024);
  },
);

test("resident memory is VmRSS, and the host's figures are those of /proc/meminfo", async (context) => {
  need(context, python);
  const child = startChild(context, PYTHON, ["-c", SLEEP, `${TAG}-rss`]);
  const watched = new WatchedApplication(context, applicationOf([{ cmdline: `${TAG}-rss` }]));
  await watched.until("the program", (rows) => rows.has(child.pid));
  const status = await waitFor("two equal looks around the status", () => {
    const before = watched.look().get(child.pid)?.residentBytes;
    const text = fs.readFileSync(`/proc/${child.pid}/status`, "utf8");
    const row = watched.look().get(child.pid);
    return row?.residentBytes === before && row !== undefined ? { row, text } : null;
  });
  expect(status.row.residentBytes).toBe(Number(/VmRSS:\s+(\d+)/.exec(status.text)?.[1]) * 1024);
  const meminfo = fs.readFileSync("/proc/meminfo", "utf8");
  expect(status.row.totalBytes).toBe(Number(/MemTotal:\s+(\d+)/.exec(meminfo)?.[1]) * 1024);
});

const FORK = `
import os, sys, time
child = os.fork()
if child == 0:
    if os.fork() == 0: os.execvp("sleep", ["sleep", "600"])
    time.sleep(600)
sys.stdin.read()
`;

test("a forked child and what it executes belong to it, also when their parent is gone", async (context) => {
  need(context, python);
  const word = `${TAG}-fork`;
  const groups = [{ cmdline: `${word} -i`, descendants: true, member: "-i (\\S+)" }];
  const watched = new WatchedApplication(context, applicationOf(groups));
  const child = startChild(context, PYTHON, ["-c", FORK, word, "-i", "dns"]);
  const rows = await watched.until("three processes", (each) => each.size === 3);
  expect(watched.several).toEqual([]);
  const roles = [...rows.keys()].map((pid) => watched.about(pid)?.["role"]);
  expect(roles.toSorted((a = "", b = "") => a.localeCompare(b))).toEqual(["child", "child", "main"]);
  expect([...rows.keys()].map((pid) => watched.about(pid)?.["member"])).toEqual(["dns", "dns", "dns"]);
  const [fork] = childrenOf(child.pid);
  process.kill(fork as number, "SIGKILL");
  const after = await watched.until("the rest", (each) => !each.has(fork as number));
  expect(after.size).toBe(2);
});

test("a shell that only speaks of it is none; what it executes is", async (context) => {
  need(context, python);
  const word = `${TAG}-exec`;
  const watched = new WatchedApplication(context, applicationOf([{ cmdline: word }]));
  const script = `read line; exec ${PYTHON} -c '${SLEEP}' ${word} x`;
  const child = startChild(context, "sh", ["-c", script]);
  await waitFor("the shell", () => isAlive(child.pid));
  for (let i = 0; i < 3; i++) expect(watched.look().has(child.pid)).toBe(false);
  child.stdin?.write("go\n");
  const rows = await watched.until("what it executes", (each) => each.has(child.pid));
  expect(rows.size).toBe(1);
});

test("the guard, and what it has started, is never part of an application", async (context) => {
  need(context, python);
  const word = `${TAG}-own`;
  const child = startChild(context, PYTHON, ["-c", SLEEP, word]);
  const line = fs.readFileSync("/proc/self/cmdline", "utf8").split("\0")[0] as string;
  const groups = [{ cmdline: word }, { cmdline: line.replaceAll(/[\\.+*?()[\]{}^$|/]/g, "\\$&") }];
  await waitFor("the child", () => fs.readFileSync(`/proc/${child.pid}/cmdline`, "utf8").includes(word));
  const others = new WatchedApplication(context, applicationOf(groups));
  expect([...others.look().keys()]).toEqual(expect.arrayContaining([child.pid]));
  const own = new WatchedApplication(context, applicationOf(groups), process.pid);
  const found = own.look();
  expect(found.has(child.pid) || found.has(process.pid)).toBe(false);
});

test("its end is seen at once by the pidfd, and a restart is another process", async (context) => {
  need(context, python);
  const word = `${TAG}-again`;
  const watched = new WatchedApplication(context, applicationOf([{ cmdline: word }]));
  const first = startChild(context, PYTHON, ["-c", SLEEP, word]);
  await watched.until("the first", (rows) => rows.has(first.pid));
  const number = [...watched.names.keys()];
  const poll = new PollSet(1);
  poll.set(0, watched.mainPidfd, PollEvent.in);
  expect(poll.wait(0)).toBe(0);
  first.kill("SIGKILL");
  expect(poll.wait(20_000)).toBe(1);
  watched.mainEnded();
  expect([watched.names.size, watched.mainPidfd]).toEqual([0, -1]);
  const second = startChild(context, PYTHON, ["-c", SLEEP, word]);
  await watched.until("the second", (rows) => rows.has(second.pid));
  expect(watched.mains).toEqual([first.pid, null, second.pid]);
  expect([...watched.names.keys()]).not.toEqual(number);
});

test("of two, the oldest is the main one, and that there are two is told", async (context) => {
  need(context, python);
  const word = `${TAG}-two`;
  const first = startChild(context, PYTHON, ["-c", SLEEP, word]);
  await waitFor("the first", () => fs.readFileSync(`/proc/${first.pid}/cmdline`, "utf8").includes(word));
  const second = startChild(context, PYTHON, ["-c", SLEEP, word]);
  await waitFor("the second", () => fs.readFileSync(`/proc/${second.pid}/cmdline`, "utf8").includes(word));
  const watched = new WatchedApplication(context, applicationOf([{ cmdline: word }]));
  expect(watched.look().size).toBe(2);
  const oldestFirst = [first.pid, second.pid].toSorted((a, b) => a - b);
  expect(watched.several.map((pids) => pids.toSorted((a, b) => a - b))).toEqual([oldestFirst]);
  expect(watched.about(watched.mains[0] as number)?.["role"]).toBe("main");
  expect(watched.look().size).toBe(2);
  expect(watched.several).toHaveLength(1);
});
