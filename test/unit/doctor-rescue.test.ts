/** What plimsoll doctor says of moving limits: on hosts made of files, and on this one. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Check, Subject } from "../../src/main/doctor/check.ts";
import { rescueChecks } from "../../src/main/doctor/rescue-checks.ts";
import { findMemoryHierarchy } from "../../src/workers/common/cgroup-path.ts";
import { memoryCgroups, need, notRoot, root } from "../support/needs.ts";
import { TestCgroup } from "../support/cgroup.ts";

const NO_LIMIT = "9223372036854771712\n";
const made: string[] = [];
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true });
});

/** A host made of files. */
function hostOf(files: Record<string, string>, scope = "host"): { subject: Subject; root: string } {
  const root = mkdtempSync(join(tmpdir(), "plimsoll-doctor-"));
  made.push(root);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const roots = { proc: join(root, "proc"), cgroup: join(root, "cgroup"), kmsg: join(root, "kmsg") };
  return { subject: { roots, scope, uid: 1000 }, root };
}

function named(checks: readonly Check[], name: string): Check {
  const check = checks.find((each) => each.name === name);
  if (check === undefined) throw new Error(`no check ${name}`);
  expect(check.advice === null).toBe(check.state === "ok");
  return check;
}

function v1(path: string, limit: string): Record<string, string> {
  const directory = `cgroup/memory${path}`;
  return {
    [`${directory}/memory.limit_in_bytes`]: limit,
    [`${directory}/memory.usage_in_bytes`]: "0\n",
    [`${directory}/memory.oom_control`]: "oom_kill_disable 0\n",
    [`${directory}/cgroup.event_control`]: "",
  };
}

function v2(path: string, limit: string): Record<string, string> {
  return {
    "cgroup/cgroup.controllers": "cpu memory\n",
    [`cgroup${path}/memory.max`]: limit,
    [`cgroup${path}/memory.events.local`]: "oom 0\n",
    [`cgroup${path}/memory.swap.max`]: "max\n",
  };
}

const SWAP = { "proc/meminfo": "SwapTotal: 2000 kB\n" };
const NO_SWAP = { "proc/meminfo": "SwapTotal: 0 kB\n" };

describe("cgroup v1", () => {
  test("with all there is", () => {
    const { subject } = hostOf({
      ...v1("", NO_LIMIT),
      ...v1("/a", "4096\n"),
      ...v1("/a/b", NO_LIMIT),
      "cgroup/memory/memory.memsw.limit_in_bytes": NO_LIMIT,
      kmsg: "",
      ...SWAP,
    });
    const checks = rescueChecks(subject);
    expect(checks.map(({ name, state }) => [name, state])).toEqual([
      ["rescue", "ok"],
      ["rescue notices", "ok"],
      ["rescue pause", "ok"],
      ["swap accounting", "ok"],
      ["kernel log, read", "ok"],
    ]);
    expect(named(checks, "rescue").found).toBe(
      "cgroup v1: 1 of 2 cgroups have a limit, limits may be written",
    );
  });

  test("without any cgroup, and without swap accounting", () => {
    const bare = rescueChecks(hostOf({ ...v1("", NO_LIMIT), ...NO_SWAP }).subject);
    expect(named(bare, "rescue").found).toBe("cgroup v1: 0 of 0 cgroups have a limit");
    expect(named(bare, "swap accounting").found).toBe("not needed, there is no swap");
    expect(named(bare, "kernel log, read")).toMatchObject({ state: "limited", needsRoot: false });
    const swapping = rescueChecks(hostOf({ ...v1("", NO_LIMIT), ...SWAP }).subject);
    expect(named(swapping, "swap accounting")).toMatchObject({
      state: "limited",
      found: "memory.memsw.limit_in_bytes is not there",
    });
  });

  test("links in a circle stand for what refuses to be written, also to root", () => {
    const files = { ...v1("", NO_LIMIT), ...v1("/a", "4096\n"), ...v1("/b", "4096\n"), ...NO_SWAP };
    const { subject, root } = hostOf(files);
    for (const file of ["memory.limit_in_bytes", "memory.oom_control"]) {
      rmSync(join(root, "cgroup/memory/b", file));
      symlinkSync(file, join(root, "cgroup/memory/b", file));
    }
    rmSync(join(root, "cgroup/memory/a/cgroup.event_control"));
    const checks = rescueChecks(subject);
    expect(named(checks, "rescue")).toMatchObject({
      state: "limited",
      found: "cgroup v1: 1 of 2 cgroups have a limit; 1 of 2 may not be written: ELOOP",
    });
    expect(named(checks, "rescue pause")).toMatchObject({
      state: "limited",
      found: "memory.oom_control: ELOOP",
    });
    expect(named(checks, "rescue notices").found).toMatch(/\/a\/cgroup\.event_control: ENOENT$/);
  });

  test("limits of others", (context) => {
    need(context, notRoot);
    const { subject, root } = hostOf({ ...v1("", NO_LIMIT), ...v1("/a", "4096\n") });
    chmodSync(join(root, "cgroup/memory/a/memory.limit_in_bytes"), 0o444);
    expect(named(rescueChecks(subject), "rescue").found).toMatch(/1 of 1 may not be written: EACCES$/);
  });
});

describe("cgroup v2", () => {
  test("has no pause", () => {
    const checks = rescueChecks(hostOf({ ...v2("/a", "max\n"), ...SWAP }).subject);
    expect(named(checks, "rescue").found).toBe(
      "cgroup v2: 0 of 1 cgroups have a limit, limits may be written",
    );
    expect(named(checks, "rescue notices").found).toBe("memory.events.local is there");
    expect(named(checks, "rescue pause")).toMatchObject({ state: "limited", found: "cgroup v2 has none" });
    expect(named(checks, "swap accounting").found).toBe("memory.swap.max is there");
  });

  test("with a controller that is not enabled below, and an old kernel", () => {
    const { subject } = hostOf({
      "cgroup/cgroup.controllers": "memory\n",
      "cgroup/a/cgroup.procs": "",
      ...SWAP,
    });
    const checks = rescueChecks(subject);
    expect(named(checks, "rescue")).toMatchObject({
      state: "limited",
      advice: expect.stringContaining("cgroup.subtree_control"),
    });
    expect(named(checks, "rescue notices").found).toMatch(/\/a\/memory\.events\.local is not there$/);
    expect(named(checks, "swap accounting").state).toBe("limited");
  });

  test("only what lies in the scope is looked at", () => {
    const files = { ...v2("/a", "4096\n"), ...v2("/b", "4096\n"), ...v2("/b/c", "max\n"), ...SWAP };
    const checks = rescueChecks(hostOf(files, "/b").subject);
    expect(named(checks, "rescue").found).toContain("1 of 2 cgroups have a limit");
  });
});

test("without a memory controller there is nothing to move, and that is not the end of guarding", () => {
  const checks = rescueChecks(hostOf(SWAP).subject);
  expect(checks.map(({ name }) => name)).toEqual(["rescue", "kernel log, read"]);
  expect(named(checks, "rescue")).toMatchObject({ state: "missing", essential: false });
});

test("on this host, with a cgroup of its own: nothing is changed or left behind", (context) => {
  need(context, root, memoryCgroups);
  const cgroup = TestCgroup.memory(context, 64);
  const version = findMemoryHierarchy("/sys/fs/cgroup")?.version;
  const subject = {
    roots: { proc: "/proc", cgroup: "/sys/fs/cgroup", kmsg: "/dev/kmsg" },
    scope: cgroup.scope,
    uid: 0,
  };
  rescueChecks(subject);
  const before = readdirSync("/proc/self/fd");
  const checks = rescueChecks(subject);
  expect(readdirSync("/proc/self/fd")).toEqual(before);
  expect(named(checks, "rescue").found).toBe(
    `cgroup v${version}: 1 of 1 cgroups have a limit, limits may be written`,
  );
  expect(named(checks, "rescue notices").state).toBe("ok");
  expect(named(checks, "rescue pause").state).toBe(version === 1 ? "ok" : "limited");
  const limit = cgroup.read(version === 1 ? "memory.limit_in_bytes" : "memory.max");
  expect(limit).toBe(String(64 * 2 ** 20));
});
