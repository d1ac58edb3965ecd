import { describe, expect, test } from "vitest";
import { formatProblem, nearestWord, PolicyFault } from "../../src/core/policy/problem.ts";
import { parsePolicy } from "../../src/main/config/parse-policy.ts";
import { parsePasswd } from "../../src/main/config/passwd.ts";

const uidOf = (name: string): number | null => (name === "alice" ? 1000 : null);

/** All mistakes of a text, as people see them. */
function mistakes(text: string): string[] {
  const parsed = parsePolicy(text, "f.toml", uidOf);
  return parsed.ok ? [] : parsed.problems.map(formatProblem);
}

const LADDER_STEPS = '"log", "sigterm", "sigkill", or a table such as { action = "command", run = "…" }';
const DURATION = 'a duration such as "100ms", "1.5s", "2m", "1h" or "1m30s"';
const PATTERN = 'a pattern of cgroups such as "/machine/*" or "/machine/**"';
const PATTERNS = 'an array of patterns, such as ["/machine/**"]';
const AMOUNT = 'a share such as "10%" or a size such as "500MiB", of at least 64KiB';

describe("each kind of wrong value, with line, key, expected and found", () => {
  test.each([
    [
      "scope = 'hots'",
      '1: scope: expected "host", or a memory cgroup such as "/machine/build", found "hots"',
    ],
    ["scope = '/'", '1: scope: expected "host", or a memory cgroup such as "/machine/build", found "/"'],
    [
      "scope = '/a/../b'",
      '1: scope: expected "host", or a memory cgroup such as "/machine/build", found "/a/../b"',
    ],
    ["dry_run = 'yes'", '1: dry_run: expected true or false, found "yes"'],
    ["memory = 1", "1: memory: expected a table, found the number 1"],
    ["[[memory]]", "1: memory: expected a table, found an array"],
    ["[memory]\ninterval = 100", `2: memory.interval: expected ${DURATION}, found the number 100`],
    ["[memory]\ninterval = '2h'", '2: memory.interval: expected a duration from 1ms to 1h, found "2h"'],
    ["[memory]\ninterval = 07:32:00", `2: memory.interval: expected ${DURATION}, found a date`],
    ["[memory]\nwalk_below = '10'", `2: memory.walk_below: expected ${AMOUNT}, found "10"`],
    [
      "[memory]\nwalk_below = '101%'",
      '2: memory.walk_below: expected a share from "0%" to "100%", such as "7.5%", found "101%"',
    ],
    ["[memory]\nurgent_stall = '0%'", '2: memory.urgent_stall: expected a share above 0%, found "0%"'],
    ["[memory]\ncritical = true", "2: memory.critical: expected a table, or false, found true"],
    [
      "[memory.critical]\navailable = 'lots'",
      `2: memory.critical.available: expected ${AMOUNT}, found "lots"`,
    ],
    [
      "memory.critical.swap_free = true",
      `1: memory.critical.swap_free: expected ${AMOUNT}, or false, found true`,
    ],
    [
      "memory.thrashing.pages_per_second = nan",
      "1: memory.thrashing.pages_per_second: expected a number above 0, found the number NaN",
    ],
    [
      "memory.warning.ladder = 'log'",
      `1: memory.warning.ladder: expected an array of steps: ${LADDER_STEPS}, found "log"`,
    ],
    [
      "memory.warning.ladder = ['log',\n'kill']",
      `2: memory.warning.ladder[1]: expected ${LADDER_STEPS}, found "kill"`,
    ],
    [
      "memory.warning.ladder = ['command']",
      `1: memory.warning.ladder[0]: expected ${LADDER_STEPS}, found "command"`,
    ],
    [
      "memory.warning.ladder = [{}]",
      '1: memory.warning.ladder[0].action: expected "log", "command", "sigterm" or "sigkill", found nothing',
    ],
    [
      "memory.warning.ladder = [{action='command'}]",
      "1: memory.warning.ladder[0].run: expected a command line for /bin/sh, found nothing",
    ],
    [
      "memory.warning.ladder = [{action='command',run=' '}]",
      '1: memory.warning.ladder[0].run: expected a command line for /bin/sh, found " "',
    ],
    [
      "memory.warning.ladder = [{action='sigterm',deadline='0s'}]",
      '1: memory.warning.ladder[0].deadline: expected a duration from 1ms to 1h, found "0s"',
    ],
    ["victim.unit = 'tree'", '1: victim.unit: expected "auto", "process", "group", "cgroup", found "tree"'],
    [
      "victim.minimum = '1M'",
      '1: victim.minimum: expected an unambiguous unit, "1MiB" (1024) or "1MB" (1000), found "1M"',
    ],
    ["victim.minimum = '2TiB'", '1: victim.minimum: expected a size from 0B to 1TiB, found "2TiB"'],
    [
      "victim.never = 'sshd'",
      '1: victim.never: expected an array of tables, such as [{ name = "postgres" }], found "sshd"',
    ],
    ["victim.never = ['sshd']", '1: victim.never[0]: expected a table, found "sshd"'],
    [
      "[[victim.never]]\n[[victim.never]]\nname=''",
      "1: victim.never[0]: expected at least one of name, exe, cmdline, cgroup, user, found none",
    ],
    [
      "[[victim.prefer]]\ndescendants = true",
      "1: victim.prefer[0]: expected at least one of name, exe, cmdline, cgroup, user, found none",
    ],
    [
      "[[victim.avoid]]\ncmdline = ''",
      "2: victim.avoid[0].cmdline: expected a regular expression that is not empty, found an empty string",
    ],
    [
      "[[victim.avoid]]\nexe = '('",
      `2: victim.avoid[0].exe: expected a regular expression (JavaScript's, with flags s and u; Unterminated group), found "("`,
    ],
    [
      "[[victim.avoid]]\nuser = 'bob'",
      '2: victim.avoid[0].user: expected a user of /etc/passwd, or a uid (`id -u NAME` tells it), found "bob"',
    ],
    [
      "[[victim.avoid]]\nuser = -1",
      "2: victim.avoid[0].user: expected a uid from 0 to 4294967294, found the number -1",
    ],
    [
      "[[victim.avoid]]\nuser = true",
      "2: victim.avoid[0].user: expected a user's name, or a uid, found true",
    ],
    [
      "record.audit = 'audit.log'",
      '1: record.audit: expected the absolute path of a file, such as "/var/log/plimsoll/audit.jsonl", found "audit.log"',
    ],
    [
      "record.audit_limit = '1KiB'",
      '1: record.audit_limit: expected a size from 64KiB to 1TiB, found "1KiB"',
    ],
    ["cgroups.watch = '/**'", `1: cgroups.watch: expected ${PATTERNS}, found "/**"`],
    ["cgroups.watch = ['/a',\n'b']", `2: cgroups.watch[1]: expected ${PATTERN}, found "b"`],
    ["rescue.cgroups = ['/']", `1: rescue.cgroups[0]: expected ${PATTERN}, found "/"`],
    ["rescue.donors = ['/a//b']", `1: rescue.donors[0]: expected ${PATTERN}, found "/a//b"`],
    ["rescue.pause = ['/a/../b']", `1: rescue.pause[0]: expected ${PATTERN}, found "/a/../b"`],
    ["rescue.pause = [1]", `1: rescue.pause[0]: expected ${PATTERN}, found the number 1`],
    [
      `rescue.pause = ['/${"x".repeat(4095)}']`,
      `1: rescue.pause[0]: expected a pattern of cgroups of at most 4095 characters, found "/${"x".repeat(59)}…"`,
    ],
    ["cgroups.interval = '0s'", '1: cgroups.interval: expected a duration from 1ms to 1h, found "0s"'],
    [
      "cgroups.stat_every = 0",
      "1: cgroups.stat_every: expected a whole number from 1 to 1000000, found the number 0",
    ],
    [
      "cgroups.stat_every = 1.5",
      "1: cgroups.stat_every: expected a whole number from 1 to 1000000, found the number 1.5",
    ],
    ["cgroups.scan = '1ms'", '1: cgroups.scan: expected a duration from 10ms to 1h, found "1ms"'],
    [
      "cgroups.half_life = '10ms'",
      '1: cgroups.half_life: expected a duration from 1s to 10000h, found "10ms"',
    ],
    [
      "cgroups.calibration = 'c.json'",
      '1: cgroups.calibration: expected the absolute path of a file, such as "/var/lib/plimsoll/calibration.json", found "c.json"',
    ],
    ["rescue.global_threshold = '0%'", '1: rescue.global_threshold: expected a share above 0%, found "0%"'],
    ["rescue.host_reserve = '1KiB'", `1: rescue.host_reserve: expected ${AMOUNT}, found "1KiB"`],
    ["rescue.margin = '2TiB'", '1: rescue.margin: expected a size from 0B to 1TiB, found "2TiB"'],
    ["rescue.add_max = '2TiB'", '1: rescue.add_max: expected a size from 64KiB to 1TiB, found "2TiB"'],
    ["rescue.reaction = '2m'", '1: rescue.reaction: expected a duration from 1ms to 1m, found "2m"'],
    [
      "rescue.lend_max = '0%'",
      '1: rescue.lend_max: expected a share above 0% and up to 10000%, such as "100%", found "0%"',
    ],
    [
      "rescue.lend_max = 2",
      '1: rescue.lend_max: expected a share above 0% and up to 10000%, such as "100%", found the number 2',
    ],
    [
      "rescue.rescues_max = 0",
      "1: rescue.rescues_max: expected a whole number from 1 to 1000000, found the number 0",
    ],
    ["record.kmsg = 1", "1: record.kmsg: expected true or false, found the number 1"],
  ])("%j", (text, expected) => {
    expect(mistakes(text)).toContain(`f.toml:${expected}`);
  });
});

const TOP_KEYS =
  "scope, dry_run, memory, victim, cgroups, rescue, record, cpu, disk, io, net, vm, applications, callbacks, exit_with_application, monitor_log";
const RESCUE_KEYS =
  "cgroups, donors, pause, global_threshold, host_reserve, margin, add_min, add_max, reaction, donor_margin, lend_max, rescues_max, rescues_within, return_after";

describe("unknown keys", () => {
  test.each([
    ["scop = 'host'", `1: scop: expected one of ${TOP_KEYS}, found an unknown key; did you mean scope?`],
    [
      "interval = '1s'",
      `1: interval: expected one of ${TOP_KEYS}, found an unknown key; it belongs in [memory], [cgroups], [cpu], [disk], [io], [net.rates], [vm] or [[applications]]`,
    ],
    [
      "[record]\nzzzzzz = 1",
      "2: record.zzzzzz: expected one of audit, audit_limit, kmsg, dataset, dataset_limit, found an unknown key; remove it; docs/policy.md lists all keys",
    ],
    [
      "[rescue]\nmargins = '1MiB'",
      `2: rescue.margins: expected one of ${RESCUE_KEYS}, found an unknown key; did you mean margin?`,
    ],
    [
      "[rescue]\nwatch = ['/a']",
      `2: rescue.watch: expected one of ${RESCUE_KEYS}, found an unknown key; it belongs in [cgroups]`,
    ],
    [
      "[cgroups]\ncgroups = ['/a']",
      "2: cgroups.cgroups: expected one of enabled, watch, interval, stat_every, scan, half_life, calibration, found an unknown key; it belongs in the top of the file, [rescue], [cpu.fair_use] or [io]",
    ],
    [
      "[memory.critical]\nswapfree = '1%'",
      "2: memory.critical.swapfree: expected one of available, recover, swap_free, for, ladder, found an unknown key; did you mean swap_free?",
    ],
    [
      "[record]\n'a b'.c = 1",
      '2: record."a b": expected one of audit, audit_limit, kmsg, dataset, dataset_limit, found an unknown key; remove it; docs/policy.md lists all keys',
    ],
    [
      "__proto__ = 1",
      `1: __proto__: expected one of ${TOP_KEYS}, found an unknown key; remove it; docs/policy.md lists all keys`,
    ],
    [
      "memory.warning.ladder = [{action='log', deadline='1s'}]",
      "1: memory.warning.ladder[0].deadline: expected one of action, found an unknown key; it belongs in a step of a ladder, [vm] or [callbacks]",
    ],
  ])("%j", (text, expected) => {
    expect(mistakes(text)).toContain(`f.toml:${expected}`);
  });

  test("the nearest word is at most a third wrong, and the first of equals", () => {
    expect(nearestWord("availble", ["avoid", "available"])).toBe("available");
    expect(nearestWord("ab", ["ax", "xb"])).toBe("ax");
    expect(nearestWord("completely", ["different"])).toBe(null);
    expect(nearestWord("x", ["for"])).toBe(null);
    expect(nearestWord("", [])).toBe(null);
  });
});

describe("a text that is no TOML", () => {
  test.each([
    ["scope = ", "1:9"],
    ["a = 1\na = 2\n", "2:1"],
    ["[memory\n", "1:8"],
    ["\r\n\r\nscope = 'x", "3:9"],
    ["x = 99999999999999999999", "1:5"],
    ["\0", "1:1"],
    [`x = ${"[".repeat(5000)}`, "1:21"],
  ])("%j is told with line and column", (text, place) => {
    const [only, ...rest] = mistakes(text);
    expect(rest).toEqual([]);
    expect(only).toMatch(
      new RegExp(`^f\\.toml:${place}: expected TOML 1\\.0 \\(https://toml\\.io\\), found .+; .+$`),
    );
  });
});

test("all mistakes are told at once, in the order of lines", () => {
  const text =
    "scop = 1\nmemory.interval = 5\n[memory.warning]\nfor = 1\n[[victim.never]]\nuser = 'bob'\nnam = ''\n";
  expect(mistakes(text).map((line) => line.split(": expected")[0])).toEqual([
    "f.toml:1: scop",
    "f.toml:2: memory.interval",
    "f.toml:4: memory.warning.for",
    "f.toml:6: victim.never[0].user",
    "f.toml:7: victim.never[0].nam",
  ]);
});

test("the fault has exit code 3, all problems, and a message of bounded length", () => {
  const parsed = parsePolicy(
    Array.from({ length: 80 }, (_, index) => `k${index} = 1`).join("\n"),
    "f.toml",
    uidOf,
  );
  expect(parsed.ok).toBe(false);
  if (parsed.ok) return;
  const fault = new PolicyFault(parsed.problems);
  expect(fault.code).toBe(3);
  expect(fault.problems).toHaveLength(80);
  expect(fault.message.split("\n")).toHaveLength(52);
  expect(fault.message).toMatch(/^the policy has 80 mistakes:\n {2}f\.toml:1: k0: .*\n {2}and 30 more$/s);
});

test("a byte order mark, CRLF, comments alone and nothing at all are policies", () => {
  for (const text of ["", "\uFEFF", "\uFEFFscope = 'host'\r\n", "# nothing\n", "[memory]\r\n\r\n"]) {
    expect(mistakes(text)).toEqual([]);
  }
});

test("users are found by the first line of passwd that names them", () => {
  const text =
    "root:x:0:0:root:/root:/bin/sh\nbad\n:x:5:\nalice:x:1000:1000::/:\nalice:x:7:7::/:\nodd:x:-1:0::/:\n";
  expect([...parsePasswd(text)]).toEqual([
    ["root", 0],
    ["alice", 1000],
  ]);
});
