/** The lane of applications on real processes and real commands: dumps, signals, waits, and what goes wrong with them. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import type { AppAction } from "../../src/core/app/action.ts";
import { subjectOf } from "../../src/core/app/levels.ts";
import { Stat } from "../../src/core/parse/process-stat.ts";
import type { AppLevel, AppRung } from "../../src/core/policy/applications.ts";
import type { Policy } from "../../src/core/policy/policy.ts";
import type { ProcessRef, ResourceReport } from "../../src/core/resources/report.ts";
import { loadPolicy } from "../../src/main/config/load-policy.ts";
import { monotonicUs } from "../../src/workers/common/clock.ts";
import { HOST_ROOTS } from "../../src/workers/common/roots.ts";
import { readProcessStat } from "../../src/workers/common/target.ts";
import { AppLane } from "../../src/workers/lane/app/app-lane.ts";
import { testDirectory } from "../support/guard.ts";
import { mounts, need, root } from "../support/needs.ts";
import { waitFor, within } from "../support/wait.ts";

const KIB = 1024;
let count = 0;

/** A shell as the application; it says "ready" when its traps are set. */
async function application(context: TestContext, script: string, cwd?: string): Promise<ChildProcess> {
  const child = spawn("/bin/sh", ["-c", script], { cwd, stdio: ["pipe", "pipe", "inherit"] });
  context.onTestFinished(() => void child.kill("SIGKILL"));
  await within("the application to be ready", new Promise((resolve) => child.stdout.once("data", resolve)));
  return child;
}

function refOf(child: ChildProcess): ProcessRef {
  const pid = child.pid as number;
  return { pid, startTicks: readProcessStat("/proc", pid)?.[Stat.startTicks] ?? Number.NaN };
}

interface Scene {
  readonly directory: string;
  readonly lane: AppLane;
  readonly act: (rungs: readonly AppRung[], more?: Partial<AppAction>) => Promise<ResourceReport>;
}

function scene(context: TestContext, main: ProcessRef | null, limitBytes = 2 ** 30, dumps?: string): Scene {
  const directory = dumps ?? path.join(testDirectory(context), "dumps");
  const builtIn = loadPolicy();
  const ladders = { info: [], warning: [], critical: [] };
  const measure = {
    basis: "available",
    warningShare: 0.000_1,
    criticalShare: 0.000_2,
    hysteresisShare: 0,
    actsInModes: [0, 1, 2],
    ladders,
  } as const;
  const policy: Policy = {
    ...builtIn,
    app: {
      ...builtIn.app,
      enabled: true,
      applications: [
        {
          name: "it",
          intervalMs: 1000,
          groups: [],
          main: "it",
          physical: measure,
          // Never so much: this one is over whenever it is asked.
          allocated: { ...measure, criticalShare: 1e6, warningShare: 1e6 },
          dumpDirectory: directory,
          dumpLimitBytes: limitBytes,
        },
      ],
    },
  };
  const lane = new AppLane(HOST_ROOTS, policy);
  const act = (rungs: readonly AppRung[], more: Partial<AppAction> = {}): Promise<ResourceReport> => {
    const { measure: of = "physical", level = "warning" } = more;
    return lane.act({
      id: `t-${++count}`,
      resource: "app",
      subject: subjectOf("it", of),
      kind: "ladder",
      application: "it",
      measure: of,
      level,
      main,
      overcommitMode: 0,
      rungs,
      why: "a test",
      numbers: { usedShare: 0.91 },
      atUs: monotonicUs(),
      dryRun: false,
      ...more,
    });
  };
  return { directory, lane, act };
}

const dump = (command: string, more: Partial<Extract<AppRung, { action: "dump" }>> = {}): AppRung => ({
  action: "dump",
  command,
  count: 1,
  spacingMs: 0,
  deadlineMs: 10_000,
  ...more,
});
const signal = (name: string, deadlineMs = 10_000): AppRung => ({
  action: "signal",
  signal: name,
  deadlineMs,
});
const waitForFile = (file: string, more: Partial<Extract<AppRung, { action: "wait" }>> = {}): AppRung => ({
  action: "wait",
  file,
  endsWith: "=end",
  stableMs: 200,
  deadlineMs: 15_000,
  ...more,
});

const SLEEPS = "echo ready; exec sleep 600";
const results = (report: ResourceReport): string[] =>
  report.steps.map(({ what, result }) => `${what} → ${result}`);

/** The dumps there are, without the guard's book. */
const dumpsIn = (directory: string): string[] =>
  fs.existsSync(directory)
    ? fs
        .readdirSync(directory)
        .filter((name) => !name.startsWith("."))
        .sort()
    : [];

describe("dumps", () => {
  test("are numbered files, one spacing apart, in a directory that only its owner reads; commands know what for", async (context) => {
    const child = await application(context, SLEEPS);
    const { directory, act } = scene(context, refOf(child));
    const command =
      'echo "$PLIMSOLL_PID $PLIMSOLL_APPLICATION $PLIMSOLL_LEVEL $PLIMSOLL_MEASURE $PLIMSOLL_NUMBER $PLIMSOLL_USED_SHARE" >"$PLIMSOLL_DUMP"';
    const report = await act([{ action: "log" }, dump(command, { count: 3, spacingMs: 300 })]);
    expect(report).toMatchObject({ verb: "dump", outcome: "done", victims: [] });
    expect(dumpsIn(directory)).toEqual(["it-warning-1", "it-warning-2", "it-warning-3"]);
    for (const number of [1, 2, 3]) {
      const file = path.join(directory, `it-warning-${number}`);
      expect(fs.readFileSync(file, "utf8")).toBe(`${child.pid} it warning physical ${number} 0.91\n`);
    }
    expect(fs.statSync(directory).mode & 0o777).toBe(0o700);
    const taken = report.steps.filter(({ what }) => what.startsWith("dump"));
    expect(taken).toHaveLength(3);
    expect((taken[2]?.afterMs ?? 0) - (taken[1]?.afterMs ?? 0)).toBeGreaterThanOrEqual(290);
    // The application lives on, and figures of the host are there again.
    expect(child.exitCode).toBeNull();
    expect(report.after["totalBytes"]).toBeGreaterThan(0);
    // Numbers go on where they were.
    await act([dump("echo again")]);
    expect(dumpsIn(directory).at(-1)).toBe("it-warning-4");
    expect(fs.readFileSync(path.join(directory, "it-warning-4"), "utf8")).toBe("again\n");
  });

  test.each([
    ["missing", "plimsoll-no-such-command", /nothing; exit 127: .*not found/],
    ["failing", "echo half; echo why >&2; exit 3", /it-warning-1: .*; exit 3: why/],
    ["hanging", "sleep 600 & sleep 601", /nothing; did not end within 300ms, killed/],
  ])("a %s command is told of", async (_what, command, pattern) => {
    await withScene(async ({ act }) => {
      const report = await act([dump(command, { deadlineMs: command.startsWith("sleep") ? 300 : 10_000 })]);
      expect(results(report).join()).toMatch(pattern);
      expect(report.outcome).toBe("failed");
    });
  });

  test("of a hanging command nobody is left, not even what it started", async (context) => {
    const child = await application(context, SLEEPS);
    const { act } = scene(context, refOf(child));
    const pidFile = path.join(testDirectory(context), "pid");
    await act([dump(`sh -c 'echo $$ >${pidFile}; exec sleep 600' & wait`, { deadlineMs: 1000 })]);
    const pid = Number(fs.readFileSync(pidFile, "utf8"));
    const isGone = (): boolean => {
      const state = readProcessStat("/proc", pid)?.[Stat.state];
      return state === undefined || String.fromCharCode(state) === "Z";
    };
    await waitFor("what the command started to be gone", isGone);
  });

  test("the oldest of the guard's go when the budget is used up, and nothing else, however it is called", async (context) => {
    const child = await application(context, SLEEPS);
    const { directory, act } = scene(context, refOf(child), 200 * KIB);
    fs.mkdirSync(directory, { mode: 0o700 });
    // Neither is in the guard's book: one lies there from somebody else, one is a link out of the directory.
    const outside = path.join(testDirectory(context), "outside");
    fs.writeFileSync(outside, "precious");
    fs.writeFileSync(path.join(directory, "it-warning-1"), Buffer.alloc(150 * KIB, 1));
    fs.symlinkSync(outside, path.join(directory, "it-warning-2"));
    const write = (kib: number): AppRung =>
      dump(`head -c ${kib * KIB} /dev/zero | tr '\\0' x >"$PLIMSOLL_DUMP"; sleep 0.2`);
    await act([write(80)]);
    await act([write(80)]);
    const third = await act([write(80)]);
    expect(results(third).join()).toContain("removed for it: it-warning-3");
    expect(dumpsIn(directory)).toEqual(["it-warning-1", "it-warning-2", "it-warning-4", "it-warning-5"]);
    expect(fs.readFileSync(outside, "utf8")).toBe("precious");
  });

  test("one that grows over the budget is cut off and removed, also when it is a directory with links in it", async (context) => {
    const child = await application(context, SLEEPS);
    const { directory, act } = scene(context, refOf(child), 256 * KIB);
    const outside = testDirectory(context);
    fs.writeFileSync(path.join(outside, "file"), "precious");
    const grows = `mkdir "$PLIMSOLL_DUMP"; ln -s ${outside} "$PLIMSOLL_DUMP/link"; while :; do head -c 65536 /dev/zero >>"$PLIMSOLL_DUMP/part"; sleep 0.02; done`;
    const report = await act([dump(grows)]);
    expect(results(report).join()).toMatch(/removed, as it was too large; killed: it grew over the limit/);
    expect(report.outcome).toBe("failed");
    expect(dumpsIn(directory)).toEqual([]);
    expect(fs.readFileSync(path.join(outside, "file"), "utf8")).toBe("precious");
  });

  test("one that fills its disk is cut off and removed, while there is room left for others", async (context) => {
    need(context, root, mounts);
    const child = await application(context, SLEEPS);
    const mount = testDirectory(context);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m,mode=700", "plimsoll-test", mount]);
    context.onTestFinished(() => void execFileSync("umount", ["-l", mount]));
    const { act } = scene(context, refOf(child), 2 ** 30, mount);
    const report = await act([dump("while head -c 262144 /dev/zero; do sleep 0.02; done")]);
    expect(results(report).join()).toMatch(
      /removed, as it was too large; .*is left on the file system|No space/,
    );
    expect(dumpsIn(mount)).toEqual([]);
    const { bavail, bsize } = fs.statfsSync(mount);
    expect(bavail * bsize).toBeGreaterThan(7 * 2 ** 20);
  });

  test("go into no directory that others may write, nor through a link", async (context) => {
    const child = await application(context, SLEEPS);
    const open = testDirectory(context);
    fs.chmodSync(open, 0o777);
    const first = await scene(context, refOf(child), 2 ** 30, open).act([dump("echo")]);
    expect(results(first).join()).toMatch(
      /expected .* written by nobody else; found uid \d+, mode 777; chown/,
    );
    const link = path.join(testDirectory(context), "link");
    fs.symlinkSync(testDirectory(context), link);
    const second = await scene(context, refOf(child), 2 ** 30, link).act([dump("echo")]);
    expect(results(second).join()).toMatch(/cannot be opened: .*; make it, or set dump_directory/);
    expect([first.outcome, second.outcome]).toEqual(["failed", "failed"]);
  });
});

/** A scene around an application that only sleeps. */
async function withScene(play: (scene: Scene) => Promise<void>): Promise<void> {
  const finished: (() => unknown)[] = [];
  const context = { onTestFinished: (then: () => unknown) => finished.push(then) } as unknown as TestContext;
  try {
    await play(scene(context, refOf(await application(context, SLEEPS))));
  } finally {
    for (const then of finished.reverse()) await then();
  }
}

describe("signals", () => {
  /** Writes a file in its working directory when it is told to, as the Erlang VM does, and ends. */
  const DUMPS = `trap 'echo begin >dump; sleep 0.3; echo =end >>dump; exit 0' USR1; echo ready; while :; do sleep 0.05; done`;

  test("the process is signalled and its file waited for, where the process sees it, until it is whole", async (context) => {
    const cwd = testDirectory(context);
    // A dump of an earlier time is whole: it is not the one that is waited for.
    fs.writeFileSync(path.join(cwd, "dump"), "old\n=end\n");
    const child = await application(context, DUMPS, cwd);
    const { act } = scene(context, refOf(child));
    const rungs = [signal("SIGUSR1"), waitForFile("${NO_SUCH_VARIABLE:-dump}")];
    const report = await act(rungs, { level: "critical" });
    expect(results(report)).toEqual([
      `SIGUSR1 → sent to pid ${child.pid}`,
      expect.stringMatching(/^wait for .*\/dump → whole, \d+ B$/),
    ]);
    expect(report).toMatchObject({ verb: "signal", outcome: "ended", victims: [{ pid: child.pid }] });
    expect(fs.readFileSync(path.join(cwd, "dump"), "utf8")).toBe("begin\n=end\n");
    expect(report.steps[1]?.tookMs).toBeGreaterThan(200);
  });

  test("a file that never is whole, or never comes, is told of; one without a last line is whole when it has come to rest", async (context) => {
    const cwd = testDirectory(context);
    const half = `trap 'echo half >dump; exit 0' USR1; echo ready; while :; do sleep 0.05; done`;
    const first = scene(context, refOf(await application(context, half, cwd)));
    const torn = await first.act([signal("SIGUSR1"), waitForFile("dump")], { level: "critical" });
    expect(results(torn)[1]).toMatch(/not whole when its process had ended: 5 B/);
    const second = scene(context, refOf(await application(context, half, cwd)));
    const rest = await second.act([signal("SIGUSR1"), waitForFile("dump", { endsWith: null })]);
    expect(results(rest)[1]).toMatch(/whole, 5 B/);
    const third = scene(context, refOf(await application(context, SLEEPS, cwd)));
    const none = await third.act([signal("SIGCONT"), waitForFile("never", { deadlineMs: 300 })]);
    expect(results(none)[1]).toMatch(/no new file within 300ms/);
    expect([torn.outcome, rest.outcome, none.outcome]).toEqual(["partly", "ended", "partly"]);
  });

  test("one that is gone, or whose number is another's by now, is not signalled", async (context) => {
    const child = await application(context, SLEEPS);
    const other = { ...refOf(child), startTicks: 1 };
    const report = await scene(context, other).act([{ action: "log" }, signal("SIGKILL")]);
    expect(report).toMatchObject({ outcome: "gone", victims: [] });
    expect(results(report)).toEqual(["log → recorded", `SIGKILL → pid ${child.pid} is gone`]);
    expect(child.signalCode).toBeNull();
  });

  test("the application that ends between dump and signal is found gone", async (context) => {
    const child = await application(context, SLEEPS);
    const { act } = scene(context, refOf(child));
    const ends = dump(
      `kill -9 "$PLIMSOLL_PID"; while kill -0 "$PLIMSOLL_PID" 2>/dev/null; do sleep 0.02; done; echo x`,
    );
    const report = await act([ends, signal("SIGUSR1"), { action: "sigkill", deadlineMs: 1000 }], {
      level: "critical",
    });
    expect(results(report).at(-1)).toBe(`SIGUSR1 → pid ${child.pid} is gone`);
    expect(report.outcome).toBe("gone");
  });

  test("SIGTERM, and SIGKILL for who does not heed it; who lives on by then is told of", async (context) => {
    const deaf = await application(context, "trap '' TERM; echo ready; while :; do sleep 0.05; done");
    const { act } = scene(context, refOf(deaf));
    const report = await act(
      [
        { action: "sigterm", deadlineMs: 300 },
        { action: "sigkill", deadlineMs: 10_000 },
      ],
      { level: "critical" },
    );
    expect(results(report)).toEqual([
      `SIGTERM → sent to pid ${deaf.pid}`,
      "wait for its end → lives on at the deadline",
      `SIGKILL → sent to pid ${deaf.pid}`,
      "wait for its end → gone",
    ]);
    expect(report).toMatchObject({ verb: "end", outcome: "ended" });
  });

  test("nobody is signalled for a level that is over after the first step", async (context) => {
    const child = await application(context, SLEEPS);
    const { act } = scene(context, refOf(child));
    const report = await act([dump("echo x"), { action: "sigkill", deadlineMs: 1000 }], {
      level: "critical",
      measure: "allocated",
    });
    expect(results(report).at(-1)).toBe("SIGKILL → not sent: the level is over");
    expect(report).toMatchObject({ outcome: "recovered", victims: [] });
    expect(child.signalCode).toBeNull();
  });

  test("a dry run says what it would do, and does nothing", async (context) => {
    const child = await application(context, SLEEPS);
    const { directory, act } = scene(context, refOf(child));
    const rungs = [dump("echo x"), signal("SIGKILL"), waitForFile("x")];
    const report = await act(rungs, { dryRun: true });
    expect(report).toMatchObject({ outcome: "dry-run", victims: [], after: {} });
    expect(results(report)).toEqual([
      "would dump: echo x → dry run",
      "would SIGKILL → dry run",
      "would wait → dry run",
    ]);
    expect(fs.existsSync(directory)).toBe(false);
    expect(child.signalCode).toBeNull();
  });
});

describe("one level interrupts another", () => {
  test("three dumps under way do not delay the signal of the critical level, and are called off", async (context) => {
    const child = await application(context, SLEEPS);
    const { act } = scene(context, refOf(child));
    const dumps = act([dump("sleep 600", { count: 3, spacingMs: 1000, deadlineMs: 600_000 })]);
    const level: AppLevel = "critical";
    const report = await act([{ action: "sigterm", deadlineMs: 10_000 }], { level });
    expect(report.outcome).toBe("ended");
    const called = await within("the dumps to be called off", dumps);
    expect(called.outcome).toBe("failed");
    expect(results(called).join()).toContain("the critical level has begun");
  });

  test("what is under way when the guard ends is called off, and reported", async (context) => {
    const child = await application(context, SLEEPS);
    const { act, lane } = scene(context, refOf(child));
    const dumps = act([dump("echo one; sleep 600", { deadlineMs: 600_000 })]);
    await within("the lane to close", Promise.resolve(lane.close()));
    expect(results(await dumps).join()).toMatch(/the guard ends/);
  });
});
