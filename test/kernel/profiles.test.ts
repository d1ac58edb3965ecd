/** What the ready profiles do to a real program of their kind: found by their patterns, dumped, and ended by itself. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect, test, type TestContext } from "vitest";
import { subjectOf } from "../../src/core/app/levels.ts";
import type { AppLevel } from "../../src/core/policy/applications.ts";
import type { Policy } from "../../src/core/policy/policy.ts";
import type { ResourceReport } from "../../src/core/resources/report.ts";
import { loadPolicy } from "../../src/main/config/load-policy.ts";
import { monotonicUs } from "../../src/workers/common/clock.ts";
import { HOST_ROOTS } from "../../src/workers/common/roots.ts";
import { AppLane } from "../../src/workers/lane/app/app-lane.ts";
import { testDirectory } from "../support/guard.ts";
import { need } from "../support/needs.ts";
import { isAlive, startTicksOf } from "../support/processes.ts";
import { within } from "../support/wait.ts";

/** Real programs start slowly beside others. */
const READY_MS = 60_000;

const program =
  (name: string, argument: string, debian: string): (() => string | null) =>
  () =>
    spawnSync(name, [argument]).error === undefined ? null : `needs ${name} (${debian})`;

/** A program that runs until it is ended, once it has said so. */
async function started(
  context: TestContext,
  cwd: string,
  command: string,
  args: readonly string[],
): Promise<{ readonly child: ChildProcess; readonly pid: number; readonly ended: Promise<unknown> }> {
  const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve(signal ?? code)));
  context.onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  let said = "";
  child.stderr.on("data", (text) => (said += String(text)));
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (text) => (String(text).includes("ready") ? resolve() : undefined));
    child.once("exit", () => reject(new Error(`${command} ended: ${said}`)));
  });
  await within(`${command} to be ready`, ready, READY_MS);
  return { child, pid: child.pid as number, ended };
}

/** The profile's policy on a host where each of its levels stands, with dumps in a directory of the test's. */
function policyOf(profile: string, dumpDirectory: string): Policy {
  const policy = loadPolicy({ profile });
  const applications = policy.app.applications.map((application) => ({
    ...application,
    dumpDirectory,
    physical: application.physical && {
      ...application.physical,
      warningShare: 0.000_1,
      criticalShare: 0.000_2,
      hysteresisShare: 0,
    },
  }));
  return { ...policy, app: { ...policy.app, applications } };
}

/** Climbs the profile's ladder for a level of physical memory; the process must be one that its main group matches. */
async function climb(policy: Policy, level: AppLevel, pid: number): Promise<ResourceReport> {
  const application = policy.app.applications[0];
  const main = application?.groups.find(({ name }) => name === application.main);
  if (application?.physical == null || main === undefined) throw new Error("the profile has no main group");
  const commandLine = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  expect(commandLine).toMatch(new RegExp(main.cmdline, "su"));
  return new AppLane(HOST_ROOTS, policy).act({
    id: "t-1",
    resource: "app",
    subject: subjectOf(application.name, "physical"),
    kind: "ladder",
    application: application.name,
    measure: "physical",
    level,
    main: { pid, startTicks: startTicksOf(pid) },
    overcommitMode: 0,
    rungs: application.physical.ladders[level],
    why: "a test",
    numbers: {},
    atUs: monotonicUs(),
    dryRun: false,
  });
}

test("erlang: at critical the virtual machine writes a whole crash dump, and ends", async (context) => {
  need(context, program("erl", "-version", "erlang-base"));
  const home = testDirectory(context);
  const vm = await started(context, home, "erl", ["-noshell", "-eval", 'io:format("ready~n").']);
  const report = await climb(policyOf("erlang", path.join(home, "dumps")), "critical", vm.pid);
  const steps = report.steps.map(({ what, result }) => `${what}: ${result}`).join("\n");
  expect(steps).toMatch(/SIGUSR1/);
  expect(steps).toMatch(/wait.*whole/);
  expect(fs.readFileSync(path.join(home, "erl_crash.dump"), "latin1")).toMatch(
    /^=erl_crash_dump:[^]*=end\s*$/,
  );
  await within("the virtual machine to end", vm.ended, READY_MS);
}, 120_000);

const JAVA = `public class Main {
  public static void main(String[] args) throws Exception {
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try { java.nio.file.Files.writeString(java.nio.file.Path.of("hook"), "ran"); } catch (Exception e) {}
    }));
    System.out.println("ready");
    Thread.sleep(600000);
  }
}
`;

test("jvm: at warning a heap dump while it goes on, at critical its threads and an end in order", async (context) => {
  need(
    context,
    program("java", "-version", "default-jdk-headless"),
    program("jcmd", "-h", "default-jdk-headless"),
  );
  const home = testDirectory(context);
  fs.writeFileSync(path.join(home, "Main.java"), JAVA);
  const vm = await started(context, home, "java", ["-Xmx64m", "-XX:+UseSerialGC", "Main.java"]);
  const dumps = path.join(home, "dumps");
  const policy = policyOf("jvm", dumps);
  const warned = await climb(policy, "warning", vm.pid);
  expect(warned.outcome).toBe("done");
  // The format of heap dumps begins with its name (hprof).
  const heap = fs.readFileSync(path.join(dumps, "jvm-warning-1"));
  expect(heap.subarray(0, 12).toString("latin1")).toBe("JAVA PROFILE");
  expect(isAlive(vm.pid)).toBe(true);
  await climb(policy, "critical", vm.pid);
  const threads = fs.readdirSync(dumps).find((name) => name.startsWith("jvm-critical-"));
  expect(fs.readFileSync(path.join(dumps, threads ?? ""), "utf8")).toContain('"main" #1');
  // 128 + SIGTERM: how a JVM exits that was asked to (java(1)).
  expect(await within("the virtual machine to end", vm.ended, READY_MS)).toBe(143);
  expect(fs.readFileSync(path.join(home, "hook"), "utf8")).toBe("ran");
}, 180_000);

test("node: at warning a report while it goes on, at critical another and its end", async (context) => {
  const home = testDirectory(context);
  fs.writeFileSync(path.join(home, "app.mjs"), 'console.log("ready"); setInterval(() => {}, 1e6);');
  const vm = await started(context, home, process.execPath, ["--report-on-signal", "app.mjs"]);
  const reports = (): string[] => fs.readdirSync(home).filter((name) => /^report\..*\.json$/.test(name));
  const policy = policyOf("node", path.join(home, "dumps"));
  await climb(policy, "warning", vm.pid);
  expect(reports()).toHaveLength(1);
  expect(isAlive(vm.pid)).toBe(true);
  const { header } = JSON.parse(fs.readFileSync(path.join(home, reports()[0] ?? ""), "utf8")) as {
    header: { event: string; processId: number };
  };
  expect(header).toMatchObject({ event: "SIGUSR2", processId: vm.pid });
  await climb(policy, "critical", vm.pid);
  expect(reports()).toHaveLength(2);
  expect(await within("the process to end", vm.ended, READY_MS)).toBe("SIGTERM");
}, 120_000);
