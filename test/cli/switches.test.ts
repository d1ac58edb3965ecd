/** What the kernel command line switches off, as a user meets it: run, check, doctor, audit. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect, test, type TestContext } from "vitest";
import type { GuardStatus } from "../../src/main/coordinator/status.ts";
import { BIN, GuardProcess, type Line, testDirectory } from "../support/guard.ts";
import { waitFor } from "../support/wait.ts";

/** A file in the place of /proc/cmdline. */
function commandLine(context: TestContext, text: string): NodeJS.ProcessEnv {
  const file = path.join(testDirectory(context), "cmdline");
  fs.writeFileSync(file, `${text}\n`);
  return { PLIMSOLL_CMDLINE: file };
}

function plimsoll(args: readonly string[], env: NodeJS.ProcessEnv) {
  return spawnSync(process.execPath, [BIN, ...args], { encoding: "utf8", env: { ...process.env, ...env } });
}

/** A level that stands from the first sample on; nobody is ended for it. */
const ALWAYS =
  'dry_run = true\n[memory]\nwarning = false\ncritical = { available = "99.9%", swap_free = false, ladder = ["log"] }';

const isMemoryLevel = (line: Line): boolean => line["event"] === "level" && line["resource"] === "memory";

test.for(["plimsoll=off", "quiet ork=development"])(
  "%s: run says so, does nothing, and ends when it is told to",
  async (text, context) => {
    const env = commandLine(context, text);
    const guard = await GuardProcess.start(context, { scope: "host", policy: ALWAYS, env, wait: false });
    await guard.logged(/warning: the kernel command line .* switches off everything: nothing is guarded/);
    const line = await guard.recorded("it", (each) => each["event"] === "switched-off");
    expect(line["words"]).toEqual([text.replace("quiet ", "")]);
    expect(line["switchedOff"]).toEqual(["memory", "cpu", "disk", "io", "net", "vm", "app", "fair-use"]);
    // A reload does not wake it.
    guard.child.kill("SIGHUP");
    await guard.logged(/SIGHUP changes nothing/);
    // No thread is there that could do anything: those are Node's own.
    const threads = fs
      .readdirSync(`/proc/${guard.pid}/task`)
      .map((tid) => fs.readFileSync(`/proc/${guard.pid}/task/${tid}/comm`, "utf8").trim());
    expect(threads.filter((name) => name.startsWith("plimsoll"))).toEqual([]);
    expect(fs.existsSync(guard.socketPath)).toBe(false);
    const end = await guard.stop();
    expect(end).toMatchObject({ code: 0, signal: null });
    expect(end.tookMs).toBeLessThan(2000);
    expect(guard.audit().map((each) => each["event"])).toEqual(["switched-off", "stopped"]);
    expect(guard.audit()[1]?.["reason"]).toBe("SIGTERM");
    const told = plimsoll(["audit", "--file", guard.auditPath], {}).stdout;
    expect(told).toContain("switches off memory, cpu, disk, io, net, vm, app, fair-use");
  },
);

test("switched off, it ends with its duration", (context) => {
  const home = testDirectory(context);
  const policy = path.join(home, "p.toml");
  fs.writeFileSync(policy, `[record]\naudit = "${home}/audit.jsonl"\nkmsg = false\n`);
  const ran = plimsoll(
    ["run", "--config", policy, "--duration", "100ms"],
    commandLine(context, "plimsoll=off"),
  );
  expect(ran.status).toBe(0);
  expect(ran.stderr).toContain("nothing is guarded");
});

test("a part: it is not guarded, all else is, and the record says so; also after a reload", async (context) => {
  const env = commandLine(context, "ro plimsoll=nomem,nowt ork=nonetwork");
  const guard = await GuardProcess.start(context, { scope: "host", policy: ALWAYS, env });
  const line = await guard.recorded("it", (each) => each["event"] === "switched-off");
  expect(line).toMatchObject({
    words: ["plimsoll=nomem", "ork=nonetwork"],
    switchedOff: ["memory", "net"],
    unknown: ["plimsoll=nowt"],
  });
  expect(guard.stderr).toContain("switches off memory (rescues too), network");
  expect(guard.stderr).toContain("plimsoll=nowt is unknown");
  guard.child.kill("SIGHUP");
  await guard.recorded("the reload", (each) => each["event"] === "policy-reloaded");
  // Samples go on; the level that would stand from the first one on does not begin.
  const samplesOf = async (): Promise<number> =>
    ((await guard.ask({ ask: "status" })) as GuardStatus).memory.samples;
  const before = await samplesOf();
  await waitFor("twenty samples more", async () => (await samplesOf()) > before + 20);
  expect(guard.audit().filter(isMemoryLevel)).toEqual([]);
  await guard.stop();
});

test("without a switch the same level begins, and nothing is said of switches", async (context) => {
  const env = commandLine(context, "ro quiet");
  const guard = await GuardProcess.start(context, { scope: "host", policy: ALWAYS, env });
  await guard.recorded("the level", isMemoryLevel);
  expect(guard.audit().filter((line) => line["event"] === "switched-off")).toEqual([]);
  await guard.stop();
});

test("check and doctor tell", (context) => {
  const env = commandLine(context, "plimsoll=nocpu,nofairuses");
  const checked = plimsoll(["check", "--profile", "ork"], env);
  expect(checked.status).toBe(0);
  expect(checked.stdout).toContain(
    "found plimsoll=nocpu; the kernel command line (plimsoll=nocpu) switches off CPU",
  );
  expect(checked.stdout).toContain("found plimsoll=nofairuses; it switches nothing off");
  const examined = JSON.parse(plimsoll(["doctor", "--json"], env).stdout);
  const check = examined.checks.find((each: Line) => each["name"] === "kernel command line");
  expect(check).toMatchObject({
    state: "limited",
    found: "plimsoll=nocpu; plimsoll=nofairuses is unknown",
    means: "the kernel command line (plimsoll=nocpu) switches off CPU (fair use too)",
  });
  const none = JSON.parse(plimsoll(["doctor", "--json"], commandLine(context, "quiet")).stdout);
  expect(none.checks.find((each: Line) => each["name"] === "kernel command line").state).toBe("ok");
});
