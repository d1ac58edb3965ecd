/** Applications by the real guard: an Erlang VM as NSO's core, a JVM and Python VMs beside it, `--profile nso`. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { erlang, ErlangVm } from "../support/erlang.ts";
import { GuardProcess, type Line, testDirectory } from "../support/guard.ts";
import { need, root } from "../support/needs.ts";
import { waitFor, within } from "../support/wait.ts";

/** How much more in use than now a level begins at, and what the VM grows by to reach it. */
const ABOVE_SHARE = 0.02;
const GROWTH_SHARE = 0.04;
const HYSTERESIS_SHARE = 0.01;
const MIB = 2 ** 20;
/** A busy machine may take its time. */
const PATIENT_MS = 60_000;

/** Beyond what is reached: the level does not begin. */
const NEVER = 0.999;

const mibOf = (share: number): number => Math.ceil((share * totalBytes()) / MIB);

function meminfo(key: string): number {
  const text = fs.readFileSync("/proc/meminfo", "utf8");
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) * 1024;
}
const totalBytes = (): number => meminfo("MemTotal");
const usedShare = (): number => 1 - meminfo("MemAvailable") / totalBytes();

const percent = (share: number): string => `"${(share * 100).toFixed(4)}%"`;

/**
 * The levels a test is about, as shares of this host's memory above what is in use now. A test of both sets the second
 * line when it has seen the first level: what others on the host take meanwhile cannot bring both at once.
 */
function policyFor(directory: string, warningAbove: number, criticalAbove: number): string {
  return `[[applications]]
name = "nso"
dump_directory = "${path.join(directory, "dumps")}"
interval = "200ms"
# As the profile's, of this test's processes alone: there may be others on the host, and they are not ours to signal.
groups = [
  { name = "ncs.smp", cmdline = '\\.smp.*-ncs true.*${directory}' },
  { name = "NcsJVMLauncher", cmdline = '${directory} com\\.tailf\\.ncs\\.NcsJVMLauncher' },
  { name = "python", cmdline = 'python\\S* .*${directory}/startup\\.py', descendants = true, member = 'startup\\.py(?: .*)? -i (\\S+)' },
]
[applications.physical]
hysteresis = ${percent(HYSTERESIS_SHARE)}
[applications.physical.warning]
used = ${percent(Math.min(NEVER - 0.001, usedShare() + warningAbove))}
[applications.physical.critical]
used = ${percent(Math.min(NEVER, usedShare() + criticalAbove))}
`;
}

async function guardFor(
  context: TestContext,
  vm: ErlangVm,
  args: readonly string[] = [],
  more = "",
): Promise<GuardProcess> {
  const guard = await GuardProcess.start(context, {
    scope: "host",
    policy: `${policyFor(vm.directory, ABOVE_SHARE, 1)}${more}`,
    args: ["--profile", "nso", ...args],
    env: { PATH: `${vm.bin}:${process.env["PATH"]}` },
    wait: false,
  });
  await guard.logged(/guarding .* by /, PATIENT_MS);
  await guard.logged(new RegExp(`application nso runs: its main process is pid ${vm.pid}`), PATIENT_MS);
  return guard;
}

/** Has the guard take another policy over. */
async function redraw(guard: GuardProcess, policy: string): Promise<void> {
  const times = (): number => guard.stderr.split("guarding by the new policy").length;
  const before = times();
  guard.writePolicy(policy);
  process.kill(guard.pid, "SIGHUP");
  await waitFor("the new policy to be taken over", () => times() > before, PATIENT_MS);
}

/** Draws the critical line above what is in use now, and has the VM grow over it. */
async function growToCritical(guard: GuardProcess, vm: ErlangVm, more = ""): Promise<void> {
  await redraw(guard, `${policyFor(vm.directory, -ABOVE_SHARE, ABOVE_SHARE)}${more}`);
  await vm.grow(mibOf(GROWTH_SHARE));
}

const levels = (guard: GuardProcess): string[] =>
  guard
    .audit()
    .filter((line) => line["event"] === "level" && line["resource"] === "app")
    .filter((line) => String(line["subject"]).endsWith("physical"))
    .map((line) => `${line["level"]} ${line["change"]}`);

function acted(guard: GuardProcess, verb: string, limitMs = PATIENT_MS): Promise<Line> {
  const matches = (line: Line): boolean => line["event"] === "action" && line["verb"] === verb;
  return guard.recorded(`an action "${verb}"`, matches, limitMs);
}

const steps = (line: Line): { what: string; result: string; afterMs: number; tookMs: number }[] =>
  line["steps"];

describe("an Erlang VM as NSO's core", { timeout: 240_000 }, () => {
  test("grows: the warning takes three dumps of its own, the critical level has it write its crash dump, whole, and end", async (context) => {
    need(context, root, erlang);
    const vm = await ErlangVm.start(context, testDirectory(context));
    const guard = await guardFor(context, vm);
    await vm.grow(mibOf(GROWTH_SHARE));
    const dumps = await acted(guard, "dump");
    expect(steps(dumps).map(({ result }) => result.split(":")[0])).toEqual([
      "recorded",
      "nso-warning-1",
      "nso-warning-2",
      "nso-warning-3",
    ]);
    expect(dumps).toMatchObject({ resource: "app", subject: "nso physical", outcome: "done", victims: [] });
    const taken = steps(dumps).filter(({ what }) => what.startsWith("dump"));
    expect(taken).toHaveLength(3);
    for (const number of [1, 2, 3]) {
      const file = path.join(vm.directory, "dumps", `nso-warning-${number}`);
      expect(fs.readFileSync(file, "utf8")).toMatch(/^=proc:/);
    }
    expect((taken[1]?.afterMs ?? 0) - (taken[0]?.afterMs ?? 0)).toBeGreaterThanOrEqual(990);
    expect(vm.end).toBeNull();

    await growToCritical(guard, vm);
    const signalled = await acted(guard, "signal");
    expect(signalled).toMatchObject({ outcome: "ended", victims: [{ pid: vm.pid }] });
    expect(steps(signalled).map(({ what }) => what)).toEqual(["log", "SIGUSR1", `wait for ${vm.crashDump}`]);
    expect(steps(signalled)[2]?.result).toMatch(/^whole, /);
    const dump = fs.readFileSync(vm.crashDump, "utf8");
    expect(dump).toMatch(/^=erl_crash_dump:/);
    expect(dump.trimEnd()).toMatch(/\n=end$/);
    // It ended by itself, not by a signal that leaves nothing.
    expect((await within("the VM to end", vm.ended)).signal).toBeNull();
    // What it held is back: both levels are over, in order, and each began once.
    await redraw(guard, policyFor(vm.directory, 0.3, 0.4));
    await waitFor("the levels to end", () => levels(guard).includes("warning ended"), PATIENT_MS);
    expect(levels(guard).slice(0, 3)).toEqual(["warning began", "critical began", "critical ended"]);
    expect(signalled["before"]["usedShare"]).toBeGreaterThan(0);
    expect(signalled["after"]["usedShare"]).toBeGreaterThan(0);
  });

  test("with a module of callbacks: its functions are called, in place of the ladders", async (context) => {
    need(context, root, erlang);
    const vm = await ErlangVm.start(context, testDirectory(context));
    const said = path.join(vm.directory, "said");
    const file = path.join(vm.directory, "callbacks.mjs");
    fs.writeFileSync(
      file,
      `import { appendFileSync } from "node:fs";
       const say = (name, pid, mode, sample) =>
         appendFileSync(${JSON.stringify(said)}, JSON.stringify({ name, pid, mode, ...sample }) + "\\n");
       export const info_phy = (logger, pid, mode, sample) => say("info_phy", pid, mode, sample);
       export async function warning_phy(logger, pid, mode, sample) {
         await new Promise((resolve) => setTimeout(resolve, 200));
         logger.warn("warned of " + pid);
         say("warning_phy", pid, mode, sample);
       }
       export function crit_phy(logger, pid, mode, sample) {
         say("crit_phy", pid, mode, sample);
         process.kill(pid, "SIGUSR1");
       }`,
      { mode: 0o644 },
    );
    const guard = await guardFor(context, vm, ["--callbacks", file]);
    const calls = (): Line[] =>
      fs.existsSync(said)
        ? fs
            .readFileSync(said, "utf8")
            .split("\n")
            .filter(Boolean)
            .map((line) => JSON.parse(line) as Line)
        : [];
    const called = (name: string): Promise<Line> =>
      waitFor(`${name} to be called`, () => calls().find((line) => line["name"] === name), PATIENT_MS);
    const mode = Number(fs.readFileSync("/proc/sys/vm/overcommit_memory", "utf8"));
    expect(await called("info_phy")).toMatchObject({ pid: vm.pid, mode, lineShare: null });
    await vm.grow(mibOf(GROWTH_SHARE));
    const warned = await called("warning_phy");
    expect(warned).toMatchObject({ pid: vm.pid, mode });
    expect(warned["usedShare"]).toBeGreaterThanOrEqual(warned["lineShare"] as number);
    await guard.logged(/callbacks: warned of \d+/);
    await growToCritical(guard, vm);
    expect(await called("crit_phy")).toMatchObject({ pid: vm.pid });
    await waitFor(
      "the crash dump",
      () => fs.existsSync(vm.crashDump) && fs.readFileSync(vm.crashDump, "latin1").trimEnd().endsWith("=end"),
      60_000,
    );
    await within("the VM to end", vm.ended);
    // Back in the normal range, wherever others have brought the host meanwhile: info once more.
    await redraw(guard, policyFor(vm.directory, 0.3, 0.4));
    const actions = (): Line[] =>
      guard.audit().filter((line) => line["event"] === "action" && line["resource"] === "app");
    await waitFor("info to be called again", () => actions().length === 4, PATIENT_MS);
    expect(actions().map((line) => `${line["verb"]} ${line["target"]} ${line["outcome"]}`)).toEqual([
      "callback info_phy done",
      "callback warning_phy done",
      "callback crit_phy done",
      "callback info_phy done",
    ]);
    // No ladder was climbed in all that time.
    expect(fs.existsSync(path.join(vm.directory, "dumps"))).toBe(false);
  });

  test("a module that hangs and throws harms nothing: the guard guards on, and all is on record", async (context) => {
    need(context, root, erlang);
    const vm = await ErlangVm.start(context, testDirectory(context));
    const file = path.join(vm.directory, "callbacks.mjs");
    fs.writeFileSync(
      file,
      `export function info_phy() { for (;;) {} }
       export function warning_phy() { throw new Error("not today"); }`,
      { mode: 0o644 },
    );
    const callbacks = `\n[callbacks]\nmodule = "${file}"\ndeadline = "1s"\n`;
    const guard = await guardFor(context, vm, [], callbacks);
    await guard.recorded(
      "that the hanging call was ended",
      (line) => line["event"] === "limited" && /info_phy: it did not end within/.test(String(line["why"])),
      PATIENT_MS,
    );
    await vm.grow(mibOf(GROWTH_SHARE));
    const failed = await guard.recorded(
      "that the call failed",
      (line) => line["event"] === "action" && line["target"] === "warning_phy",
      PATIENT_MS,
    );
    expect(failed).toMatchObject({ outcome: "failed", verb: "callback" });
    expect(steps(failed)[0]?.result).toBe("threw Error: not today");
    // The critical level has no function: its ladder is climbed.
    await growToCritical(guard, vm, callbacks);
    expect(await acted(guard, "signal")).toMatchObject({ outcome: "ended" });
    const gaps = guard.audit().filter((line) => line["event"] === "gap");
    expect(gaps.filter(({ worker }) => ["callbacks", "analysis", "app-lane"].includes(worker))).toEqual([]);
  });
});

describe("what belongs to an application", { timeout: 240_000 }, () => {
  test("a JVM by its launcher's class and Python VMs by their script, with their forks, are counted in; none is signalled", async (context) => {
    need(context, root, erlang, java);
    const vm = await ErlangVm.start(context, testDirectory(context));
    const jvm = startJvm(context, vm.directory);
    const python = startPython(context, vm.directory);
    const guard = await guardFor(context, vm);
    const status = async (): Promise<Line | undefined> =>
      ((await guard.ask({ ask: "resources" }))["resources"] as Line[]).find(
        (line) => line["subject"] === "nso physical",
      );
    // The VM, the JVM, the script, and its fork.
    const found = await waitFor(
      "all processes to be found",
      async () => {
        const line = await status();
        return line?.["numbers"]["processes"] === 4 && line["numbers"]["residentBytes"] > 0 ? line : null;
      },
      PATIENT_MS,
    );
    expect(found["numbers"]["pid"]).toBe(vm.pid);
    expect(found["numbers"]["residentBytes"]).toBeGreaterThan(60 * MIB);
    await growToCritical(guard, vm);
    expect(await acted(guard, "signal")).toMatchObject({ outcome: "ended", victimCount: 1 });
    expect([jvm.signalCode, jvm.exitCode, python.signalCode, python.exitCode]).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });
});

function java(): string | null {
  const found = spawnSync("javac", ["-version"]);
  return found.status === 0 ? null : "needs javac, of Debian's default-jdk-headless";
}

function startJvm(context: TestContext, directory: string): ReturnType<typeof spawn> {
  const source = path.join(directory, "NcsJVMLauncher.java");
  fs.writeFileSync(
    source,
    "package com.tailf.ncs; public class NcsJVMLauncher { public static void main(String[] a) throws Exception { Thread.sleep(600000); } }",
  );
  execFileSync("javac", ["-d", directory, source]);
  const child = spawn("java", ["-Xmx32m", "-cp", directory, "com.tailf.ncs.NcsJVMLauncher"], {
    stdio: "ignore",
  });
  context.onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

function startPython(context: TestContext, directory: string): ReturnType<typeof spawn> {
  const script = path.join(directory, "startup.py");
  fs.writeFileSync(script, "import os, time\nos.fork()\ntime.sleep(600)\n");
  const child = spawn("python3", ["-u", script, "-l", "info", "-i", "my-package"], {
    stdio: "ignore",
    detached: true,
  });
  context.onTestFinished(() => {
    try {
      // Its fork is in its group.
      process.kill(-(child.pid as number), "SIGKILL");
    } catch {
      // Both are gone.
    }
  });
  return child;
}
