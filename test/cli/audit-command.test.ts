/** `plimsoll audit` from outside: whole logs, rotated, damaged, missing, and readers that go away. */
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { rescueLine } from "../../src/core/audit/rescue.ts";
import { sinceTime } from "../../src/main/cli/audit-command.ts";
import { placesFor } from "../../src/main/coordinator/places.ts";
import { BIN, testDirectory } from "../support/guard.ts";
import { need, otherUser, root } from "../support/needs.ts";
import { within } from "../support/wait.ts";

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function audit(args: readonly string[], env: NodeJS.ProcessEnv = {}): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, "audit", ...args], {
    encoding: "utf8",
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  });
  return { code: status, stdout, stderr };
}

const started = (time: string, pid = 1): string =>
  JSON.stringify({ event: "started", version: "9", pid, policy: "p", scope: "host", dryRun: false, time });

function logOf(context: TestContext, ...lines: string[]): string {
  const file = path.join(testDirectory(context), "audit.jsonl");
  fs.writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  return file;
}

const DAY = "2026-11-20";

test("--resource: the lines about some resources; moved limits are about memory", (context) => {
  const head = { id: "a", time: `${DAY}T09:00:00.000Z`, subject: "/var", verb: "reclaim", target: null };
  const rest = {
    outcome: "done",
    dryRun: false,
    why: "full",
    before: {},
    after: {},
    victims: [],
    victimCount: 0,
  };
  const action = { event: "action", ...head, ...rest, candidates: [], steps: [], tookMs: 1 };
  const [time, numbers] = [head.time, {}];
  const level = { event: "level", time, subject: "eth0", level: "warning", change: "began", numbers };
  const back = { event: "rescue-return", time, path: "/a", why: "unneeded", outcome: "waits", refusal: null };
  const file = logOf(
    context,
    started(head.time),
    JSON.stringify({ ...action, resource: "disk" }),
    JSON.stringify({ ...level, resource: "net" }),
    JSON.stringify({ ...back, returnedBytes: 0, donors: [] }),
    JSON.stringify({ ...action, resource: "io", subject: "vda", verb: "throttle", target: "/hog" }),
  );
  const said = (...args: string[]): string[] => {
    const { code, stdout, stderr } = audit(["--file", file, ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(`${head.time} `, ""));
  };
  expect(said().length).toBe(5);
  expect(said("--resource", "disk,io")).toEqual([
    "disk /var: full; reclaim: done (id a)",
    "io vda: full; throttle /hog: done (id a)",
  ]);
  expect(said("--resource", "net")).toEqual(["net eth0 warning began"]);
  expect(said("--resource", "memory")).toEqual([
    "return from /a (not needed any more): it uses too much just now",
  ]);
  const wrong = audit(["--file", file, "--resource", "tape"]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toBe(
    'plimsoll: --resource: expected some of memory, cpu, disk, io, net, vm, app, found "tape"\n',
  );
});

test("each line is a time and a sentence, newest last; --json gives the lines as they are", (context) => {
  const rescue = rescueLine({
    id: "a-1",
    number: 1,
    path: "/build\u001b[2J",
    inode: 5,
    trigger: "near-limit",
    outcome: "raised",
    refusal: null,
    step: 1,
    addedBytes: 2 ** 26,
    limitBeforeBytes: 2 ** 27,
    limitAfterBytes: 2 ** 27 + 2 ** 26,
    usageBytes: 2 ** 26,
    donors: [],
    paused: false,
    growthBytesPerSecond: 0,
    wokenUs: 0,
    raisedUs: 100,
    wallMs: Date.parse(`${DAY}T09:30:00Z`),
  });
  const lines = [
    started(`${DAY}T09:00:00.000Z`),
    JSON.stringify(rescue),
    `{"event":"odd","time":"${DAY}","x":"\u2028"}`,
  ];
  const file = logOf(context, ...lines);
  const { code, stdout, stderr } = audit(["--file", file]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.split("\n")).toEqual([
    `${DAY}T09:00:00.000Z guarding host, policy p (plimsoll 9, pid 1)`,
    // What a terminal would take for an order is not in it.
    `${DAY}T09:30:00.000Z rescue of /build [2J: came near its limit of 128 MiB, 64.0 MiB in use; given 64.0 MiB (free memory), limit now 192 MiB, after 100 µs (id a-1)`,
    `${DAY}T00:00:00.000Z odd: {"x":" "}`,
    "",
  ]);
  expect(audit(["--json", "--file", file]).stdout).toBe(lines.map((line) => `${line}\n`).join(""));
});

test("a rotated log comes first; a file that is both is shown once", (context) => {
  const file = logOf(context, started(`${DAY}T10:00:00Z`, 2));
  fs.writeFileSync(`${file}.1`, `${started(`${DAY}T09:00:00Z`, 1)}\n`);
  const pids = (): unknown[] =>
    audit(["--json", "--file", file])
      .stdout.trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as Record<string, unknown>)["pid"]);
  expect(pids()).toEqual([1, 2]);
  fs.rmSync(file);
  expect(pids()).toEqual([1]);
  fs.linkSync(`${file}.1`, file);
  expect(pids()).toEqual([1]);
});

test("--since takes a time or a duration, and only what is not older", (context) => {
  const ago = (minutes: number): string =>
    started(new Date(Date.now() - minutes * 60_000).toISOString(), minutes);
  const file = logOf(context, ago(180), ago(90), ago(10));
  const count = (since: string): number =>
    audit(["--json", "--file", file, "--since", since]).stdout.split("\n").length - 1;
  expect([count("4h"), count("2h"), count("1h30s"), count("5m")]).toEqual([3, 2, 1, 0]);
  expect(count(new Date(Date.now() - 100 * 60_000).toISOString())).toBe(2);
});

test.each([
  ["2026-11-20", Date.UTC(2026, 10, 20)],
  ["2026-11-20T09:00Z", Date.UTC(2026, 10, 20, 9)],
  ["2026-11-20T09:00:01.5+02:00", Date.UTC(2026, 10, 20, 7, 0, 1, 500)],
  ["2026-11-20T09:00", new Date(2026, 10, 20, 9).getTime()],
  ["1h30m", 1e12 - 5_400_000],
])("%s is a time to begin from", (text, expected) => {
  expect(sinceTime(text, 1e12)).toBe(expected);
});

test.each(["", "yesterday", "2026-13-01", "2026-11-20 09:00", "09:00", "-2h", "5", "2026-11-20T25:00Z"])(
  "%j is none, and that is said",
  (text) => {
    expect(() => sinceTime(text, 0)).toThrow(/^--since: expected a time .* or a duration .*, found /);
  },
);

describe("bad logs", () => {
  test("lines that are none are named and passed over; half a line at the end too", (context) => {
    const good = started(`${DAY}T09:00:00Z`);
    const lines = [
      "\u0000\u00ffgarbage",
      good,
      "[1]",
      '{"event":5}',
      '{"event":"x","time":"soon"}',
      "",
      good.slice(0, 40),
    ];
    const file = logOf(context, ...lines);
    const { code, stdout, stderr } = audit(["--json", "--file", file]);
    expect(code).toBe(0);
    expect(stdout).toBe(`${good}\n`);
    const named = [
      ...stderr.matchAll(/^plimsoll: .*audit\.jsonl:(\d+): expected a line of the audit log, found /gm),
    ];
    expect(named.map(([, number]) => number)).toEqual(["1", "3", "4", "5", "7"]);
    // oxlint-disable-next-line no-control-regex
    expect(stderr).not.toMatch(/[\0-\x09\x0b-\x1f]/);
  });

  test("of many only the first are named; a line without an end is no matter how long", (context) => {
    const file = logOf(
      context,
      ...Array.from({ length: 500 }, () => "x"),
      "y".repeat(40 * 2 ** 20),
      started(`${DAY}T09:00:00Z`),
    );
    const { code, stdout, stderr } = audit(["--json", "--file", file]);
    expect(code).toBe(0);
    expect(stdout).toContain('"started"');
    expect(stderr.split("\n")).toHaveLength(12);
    expect(stderr).toContain("audit.jsonl: 491 more lines that are none");
  });

  test("a missing log is an error that says what to do, also of another scope", (context) => {
    const home = testDirectory(context);
    const missing = audit(["--file", path.join(home, "none.jsonl")]);
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toBe(
      `plimsoll: expected an audit log at ${home}/none.jsonl, found nothing; check the path\n`,
    );
    const scoped = audit(["--scope", "/no/such scope"]);
    const { auditPath } = placesFor("/no/such scope", process.getuid?.() ?? 0, process.env);
    expect(scoped.code).toBe(1);
    expect(scoped.stderr).toContain(
      `expected an audit log at ${auditPath}, found nothing; start a guard, or name`,
    );
    expect(audit(["--file", home])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("a directory") as string,
    });
    expect(audit(["--since", "soon"]).code).toBe(2);
  });

  test("a log of another user", (context) => {
    need(context, root, otherUser);
    const file = logOf(context, started(`${DAY}T09:00:00Z`));
    fs.chmodSync(file, 0o600);
    fs.chmodSync(path.dirname(file), 0o755);
    const args = [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      process.execPath,
      BIN,
      "audit",
      "--file",
      file,
    ];
    const { status, stderr } = spawnSync("setpriv", args, { encoding: "utf8", cwd: "/" });
    expect({ status, stderr }).toEqual({
      status: 5,
      stderr: `plimsoll: ${file} may not be read by this user; ask as its owner, or as root\n`,
    });
  });
});

test("a reader that goes away is no error, and does not keep it", async (context) => {
  const file = logOf(context, `${started(`${DAY}T09:00:00Z`)}\n`.repeat(200_000));
  const child = spawn(process.execPath, [BIN, "audit", "--file", file], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  context.onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdout.once("data", () => child.stdout.destroy());
  const code = await within("it to end", new Promise((resolve) => child.once("close", resolve)), 5000);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});
