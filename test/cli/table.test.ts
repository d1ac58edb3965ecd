/** The command line from outside: arguments, and what comes of them. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { GUARD_WORKERS } from "../../src/core/shared/board.ts";
import { BIN, GuardProcess } from "../support/guard.ts";
import { need, otherUser, root } from "../support/needs.ts";

const home = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-test-cli-"));
const bad = path.join(home, "bad.toml");
const good = path.join(home, "good.toml");
fs.writeFileSync(bad, 'scope = 3\n[memory.critical]\navailabel = "5%"\n', { mode: 0o600 });
fs.writeFileSync(good, '[memory.critical]\navailable = "4%"\n', { mode: 0o600 });
afterAll(() => fs.rmSync(home, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const ENVIRONMENT = {
  ...process.env,
  PLIMSOLL_RUN_DIR: path.join(home, "run"),
  PLIMSOLL_STATE_DIR: path.join(home, "state"),
  XDG_STATE_HOME: home,
  HOME: home,
};

function plimsoll(args: readonly string[], env: NodeJS.ProcessEnv = {}): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], {
    encoding: "utf8",
    env: { ...ENVIRONMENT, ...env },
  });
  return { code: status, stdout, stderr };
}

const NOTHING = /^$/;
/** Arguments, exit code, stdout, stderr. */
const TABLE: readonly (readonly [string, number, RegExp, RegExp])[] = [
  ["", 2, NOTHING, /^Usage: plimsoll/],
  ["--version", 0, /^\d+\.\d+\.\d+\n$/, NOTHING],
  ["--help", 0, /^Usage: plimsoll/, NOTHING],
  ["help run", 0, /^Usage: plimsoll run/, NOTHING],
  ["nosuch", 2, NOTHING, /^error: unknown command 'nosuch'\n\(--help/],
  ["--nosuch", 2, NOTHING, /^error: unknown option '--nosuch'/],
  ["run --nosuch", 2, NOTHING, /^error: unknown option '--nosuch'/],
  ["run extra", 2, NOTHING, /^error: too many arguments for 'run'/],
  ["run --duration", 2, NOTHING, /^error: option '--duration <time>' argument missing/],
  ["run --duration soon", 2, NOTHING, /^plimsoll: --duration: expected .*, found "soon"$/m],
  ["run --profile nosuch", 2, NOTHING, /^plimsoll: .*profile.*nosuch/],
  ["run --callbacks", 2, NOTHING, /^error: option '--callbacks <file>' argument missing/],
  ["run --monitor-log", 2, NOTHING, /^error: option '--monitor-log <file>' argument missing/],
  ["init", 2, NOTHING, /^plimsoll: expected --callbacks, --policy or --systemd/],
  ["init --nosuch", 2, NOTHING, /^error: unknown option '--nosuch'/],
  ["check --profile nso", 0, /^application nso, every 1s/m, NOTHING],
  ["run --scope ../etc", 2, NOTHING, /^plimsoll: --scope: expected .*, found "\.\.\/etc"$/m],
  ["run --config /nosuch.toml", 3, NOTHING, /^plimsoll: .*\n? *\/nosuch\.toml: .*no such file/],
  [
    `run --config ${bad}`,
    3,
    NOTHING,
    /2 mistakes:\n.*bad\.toml:1: scope: expected [^]*bad\.toml:3: .*availabel/,
  ],
  ["check", 0, /^policy +built-in:default\n[^]*critical/, NOTHING],
  [`check ${good}`, 0, /good\.toml\n[^]*critical +4%/, NOTHING],
  [`check ${bad}`, 3, NOTHING, /2 mistakes/],
  ["check one two", 2, NOTHING, /^error: too many arguments for 'check'/],
  ["check --profile nosuch", 2, NOTHING, /profile.*nosuch/],
  ["status", 1, NOTHING, /^plimsoll: no guard of host answers at .*; start one with "plimsoll run"/],
  ["status --json", 1, NOTHING, /^plimsoll: no guard of host/],
  ["status --scope /nosuch", 1, NOTHING, /^plimsoll: no guard of \/nosuch/],
  ["report", 2, NOTHING, /^plimsoll: expected the directory of a dataset, --live, or .*, found none of them/],
  ["report one two", 2, NOTHING, /^error: too many arguments for 'report'/],
  ["report /nosuch --json", 1, NOTHING, /^plimsoll: \/nosuch: expected a dataset/],
  ["status extra", 2, NOTHING, /^error: too many arguments for 'status'/],
];

test.for(TABLE)("plimsoll %s: exit %i", ([args, code, stdout, stderr]) => {
  const ran = plimsoll(args.split(" ").filter(Boolean));
  expect(ran.code).toBe(code);
  expect(ran.stdout).toMatch(stdout);
  expect(ran.stderr).toMatch(stderr);
  // A user's mistake is told in words, never by a stack.
  expect(ran.stderr).not.toMatch(/^ {4}at /m);
});

test.for(["run", "check", "doctor", "status", "init"])(
  "%s --help has an example, and says its exit codes",
  (command) => {
    const { code, stdout, stderr } = plimsoll([command, "--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(new RegExp(`^Examples:\n {2}plimsoll ${command}`, "m"));
    expect(stdout).toMatch(/^Exit codes: 0 /m);
  },
);

describe("--json", () => {
  test("of check: the compiled policy, on stdout alone", () => {
    const { code, stdout, stderr } = plimsoll(["check", good, "--json"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({
      valid: true,
      policy: { source: good, memory: { critical: { available: { share: 0.04 } } } },
      findings: expect.any(Array),
    });
  });

  test("of check of a bad policy: the mistakes as data, and exit 3", () => {
    const { code, stdout, stderr } = plimsoll(["check", bad, "--json"]);
    expect([code, stderr]).toEqual([3, ""]);
    const { valid, problems } = JSON.parse(stdout) as { valid: boolean; problems: object[] };
    expect(valid).toBe(false);
    expect(problems).toEqual([
      expect.objectContaining({ file: bad, line: 1, key: "scope" }),
      expect.objectContaining({ file: bad, line: 3 }),
    ]);
  });

  test("of status of a guard that runs; its text says the same", async (context) => {
    const guard = await GuardProcess.start(context, { scope: "host", args: ["--dry-run"] });
    const env = { PLIMSOLL_RUN_DIR: path.join(guard.home, "run") };
    const { code, stdout, stderr } = plimsoll(["status", "--json"], env);
    expect([code, stderr]).toEqual([0, ""]);
    const status = JSON.parse(stdout) as {
      memory: { totalBytes: number; availableBytes: number };
      workers: { name: string }[];
    };
    expect(status).toMatchObject({
      pid: guard.child.pid,
      scope: "host",
      dryRun: true,
      policy: guard.policyPath,
    });
    const totalKiB = Number(/^MemTotal: +(\d+) kB/m.exec(fs.readFileSync("/proc/meminfo", "utf8"))?.[1]);
    expect(status.memory.totalBytes).toBe(totalKiB * 1024);
    expect(status.memory.availableBytes).toBeGreaterThan(0);
    expect(status.workers.map(({ name }) => name)).toEqual(expect.arrayContaining([...GUARD_WORKERS]));
    const text = plimsoll(["status"], env);
    expect([text.code, text.stderr]).toEqual([0, ""]);
    expect(text.stdout).toMatch(
      new RegExp(`^plimsoll \\S+, pid ${guard.child.pid}, policy .*, dry run\navailable `),
    );
  });

  test("of the log: a JSON line each, and nothing else, on stderr", async (context) => {
    const guard = await GuardProcess.start(context, { scope: "host", args: ["--dry-run", "--log-json"] });
    expect((await guard.stop()).code).toBe(0);
    const lines = guard.stderr
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { msg: string; level: number });
    expect(lines.map(({ msg }) => msg)).toContain(`guarding the host by ${guard.policyPath} (dry run)`);
    for (const { level } of lines) expect(level).toBeGreaterThanOrEqual(30);
  });
});

test.each([
  ["run", "--help"],
  ["check", "--json"],
  ["doctor", "--json"],
])("%s %s says nothing of a reader that is gone before there is something to read", (...args) => {
  const command = '{ "$0" "$@"; echo "exit $?" >&2; } | true';
  const shell = ["-c", command, process.execPath, BIN, ...args];
  const { stdout, stderr } = spawnSync("/bin/sh", shell, { encoding: "utf8", env: ENVIRONMENT });
  expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "exit 0\n" });
});

test("run goes on to its end when the reader of its stdout goes away", () => {
  const command = '("$0" "$1" run --dry-run --duration 3s; echo "exit $?" >&2) | head -n 1';
  const beganMs = performance.now();
  const { stdout, stderr } = spawnSync("/bin/sh", ["-c", command, process.execPath, BIN], {
    encoding: "utf8",
    env: ENVIRONMENT,
  });
  expect(stdout).toMatch(/^available .*\n$/);
  expect(stderr).toMatch(/^exit 0$/m);
  expect(stderr).not.toMatch(/EPIPE/);
  expect(performance.now() - beganMs).toBeGreaterThan(3000);
});

describe("places", () => {
  test("a run directory that cannot be made: exit 1, and which", () => {
    const ran = plimsoll(["run", "--duration", "1s"], { PLIMSOLL_RUN_DIR: "/proc/plimsoll" });
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    expect(ran.stderr).toMatch(
      /^plimsoll: expected to take the lock \/proc\/plimsoll\/host\.lock, found: ENOENT/,
    );
  });

  test("a run directory that others may write is refused", () => {
    const open = path.join(home, "open");
    fs.mkdirSync(open);
    fs.chmodSync(open, 0o777);
    const ran = plimsoll(["run", "--duration", "1s"], { PLIMSOLL_RUN_DIR: open });
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    expect(ran.stderr).toMatch(/others cannot write/);
  });

  test("a guard of root is not for others to ask: exit 5", async (context) => {
    need(context, root, otherUser);
    const guard = await GuardProcess.start(context, { scope: "host", args: ["--dry-run"] });
    // The directory may be entered, so that it is the socket alone that keeps others out.
    fs.chmodSync(guard.home, 0o755);
    fs.chmodSync(path.join(guard.home, "run"), 0o755);
    const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, BIN, "status"];
    const { status, stdout, stderr } = spawnSync("setpriv", nobody, {
      encoding: "utf8",
      cwd: "/",
      // Where root's guards are, for whom the run directory is the same.
      env: { ...ENVIRONMENT, PLIMSOLL_RUN_DIR: path.join(guard.home, "run") },
    });
    expect([status, stdout]).toEqual([5, ""]);
    expect(stderr).toMatch(/may only be opened by its owner; ask as that user, or as root/);
  });
});
