/** [[applications]] and [callbacks]: what a file says, what becomes of it, and what is told of it. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { ApplicationPolicy } from "../../src/core/policy/applications.ts";
import { compilePolicy } from "../../src/core/policy/compile.ts";
import { describePolicy } from "../../src/core/policy/describe.ts";
import { formatProblem } from "../../src/core/policy/problem.ts";
import { waitedFile } from "../../src/core/policy/wait-file.ts";
import { parsePolicy } from "../../src/main/config/parse-policy.ts";
import { profilePath } from "../../src/main/config/profiles.ts";

/** The policy of a text over the built-in one, and over a profile where one is named. */
function policyOf(text: string, ...profiles: readonly string[]) {
  const builtIn = ["default", ...profiles].map((name) =>
    parsePolicy(readFileSync(profilePath(name), "utf8"), name, () => 0, true),
  );
  const layers = [...builtIn, parsePolicy(text, "f.toml", () => null)].map((parsed) => {
    if (!parsed.ok) throw new Error(parsed.problems.map(formatProblem).join("\n"));
    return parsed.layer;
  });
  return compilePolicy(layers);
}

function only(text: string, ...profiles: readonly string[]): ApplicationPolicy {
  const { applications } = policyOf(text, ...profiles).app;
  expect(applications).toHaveLength(1);
  return applications[0] as ApplicationPolicy;
}

function mistakes(text: string): string[] {
  const parsed = parsePolicy(text, "f.toml", () => null);
  return parsed.ok ? [] : parsed.problems.map(formatProblem);
}

const GROUPS = "groups = [{ name = 'a', cmdline = 'aaa' }]";

describe("what a file says", () => {
  test("nothing: no application, no module, no lines, and the guard stays", () => {
    expect(policyOf("").app).toEqual({
      enabled: false,
      applications: [],
      callbacksPath: null,
      callbackDeadlineMs: 30_000,
      exitWithApplication: false,
      monitorLogPath: null,
    });
  });

  test("the least: a name and a group; all else as docs/policy.md says", () => {
    const measure = {
      basis: "available",
      warningShare: 0.9,
      criticalShare: 0.95,
      hysteresisShare: 0.02,
      ladders: { info: [], warning: [{ action: "log" }], critical: [{ action: "log" }] },
    };
    expect(only(`[[applications]]\nname = "x"\n${GROUPS}`)).toEqual({
      name: "x",
      intervalMs: 1000,
      groups: [{ name: "a", cmdline: "aaa", descendants: false, member: null }],
      main: "a",
      physical: { ...measure, actsInModes: [0, 1, 2] },
      allocated: { ...measure, actsInModes: [2] },
      dumpDirectory: "/var/lib/plimsoll/dumps",
      dumpLimitBytes: 2 ** 30,
    });
  });

  test("everything", () => {
    const text = `
      exit_with_application = true
      monitor_log = "/m.log"
      [callbacks]
      module = "/c.mjs"
      deadline = "5s"
      [[applications]]
      name = "x"
      interval = "250ms"
      main = "b"
      dump_directory = "/d/e/"
      dump_limit = "1MiB"
      [[applications.groups]]
      name = "a"
      cmdline = 'aaa'
      descendants = true
      member = ' -i (\\S+)'
      [[applications.groups]]
      name = "b"
      cmdline = '^b'
      [applications.physical]
      basis = "free"
      hysteresis = "1%"
      acts_in = [0, 2]
      [applications.physical.info]
      ladder = ["log"]
      [applications.physical.warning]
      used = "80%"
      ladder = [{ action = "dump", run = "d" }, { action = "dump", run = "e", count = 3, spacing = "2s", deadline = "4s" }]
      [applications.physical.critical]
      used = "85%"
      ladder = [
        { action = "signal", signal = "SIGUSR1" },
        { action = "wait", file = "f" },
        { action = "wait", file = "/g", ends_with = "=end", deadline = "1m" },
        { action = "wait", file = "h", stable = "5s" },
        { action = "command", run = "c" },
        "sigterm",
        "sigkill",
      ]
    `;
    const { app } = policyOf(text);
    expect(app).toMatchObject({
      callbacksPath: "/c.mjs",
      callbackDeadlineMs: 5000,
      exitWithApplication: true,
      monitorLogPath: "/m.log",
    });
    expect(app.applications[0]).toMatchObject({
      intervalMs: 250,
      main: "b",
      dumpDirectory: "/d/e",
      dumpLimitBytes: 2 ** 20,
      groups: [
        { name: "a", cmdline: "aaa", descendants: true, member: " -i (\\S+)" },
        { name: "b", cmdline: "^b", descendants: false, member: null },
      ],
      physical: {
        basis: "free",
        warningShare: 0.8,
        criticalShare: 0.85,
        hysteresisShare: 0.01,
        actsInModes: [0, 2],
        ladders: {
          info: [{ action: "log" }],
          warning: [
            { action: "dump", command: "d", count: 1, spacingMs: 1000, deadlineMs: 30_000 },
            { action: "dump", command: "e", count: 3, spacingMs: 2000, deadlineMs: 4000 },
          ],
          critical: [
            { action: "signal", signal: "SIGUSR1", deadlineMs: 2000 },
            { action: "wait", file: "f", endsWith: null, stableMs: 2000, deadlineMs: 60_000 },
            { action: "wait", file: "/g", endsWith: "=end", deadlineMs: 60_000 },
            { action: "wait", file: "h", endsWith: null, stableMs: 5000 },
            { action: "command", command: "c", deadlineMs: 5000 },
            { action: "sigterm", deadlineMs: 2000 },
            { action: "sigkill", deadlineMs: 10_000 },
          ],
        },
      },
    });
  });
});

describe("files over each other", () => {
  test("an application that a profile has too: key by key, groups and ladders whole", () => {
    const profile = only("", "nso");
    const over = only(
      `[[applications]]
      name = "nso"
      dump_directory = "/d"
      groups = [{ name = "ncs.smp", cmdline = 'beam' }]
      [applications.physical]
      basis = "free"
      [applications.physical.warning]
      ladder = ["log"]`,
      "nso",
    );
    expect(over).toEqual({
      ...profile,
      dumpDirectory: "/d",
      groups: [{ name: "ncs.smp", cmdline: "beam", descendants: false, member: null }],
      physical: {
        ...profile.physical,
        basis: "free",
        ladders: { ...profile.physical?.ladders, warning: [{ action: "log" }] },
      },
    });
  });

  test("another one is added, in front, where its lines are found", () => {
    const { applications } = policyOf(`[[applications]]\nname = "x"\n${GROUPS}`, "nso").app;
    expect(applications.map(({ name }) => name)).toEqual(["x", "nso"]);
  });

  test("a measure switched off, and on again above", () => {
    expect(only(`[[applications]]\nname = "nso"\nphysical = false`, "nso")).toMatchObject({ physical: null });
    const off = parsePolicy(`[[applications]]\nname = "x"\n${GROUPS}\nallocated = false`, "a", () => 0);
    const on = parsePolicy(
      `[[applications]]\nname = "x"\n[applications.allocated]\nacts_in = []`,
      "b",
      () => 0,
    );
    const base = parsePolicy(readFileSync(profilePath("default"), "utf8"), "default", () => 0, true);
    if (!off.ok || !on.ok || !base.ok) throw new Error("expected policies");
    const { app } = compilePolicy([base.layer, off.layer, on.layer]);
    expect(app.applications[0]?.allocated).toMatchObject({ actsInModes: [], warningShare: 0.9 });
  });

  test("module and lines of a file underneath are taken back by false", () => {
    const below = parsePolicy(`monitor_log = "/m"\ncallbacks = { module = "/c.mjs" }`, "a", () => 0);
    const above = parsePolicy("monitor_log = false\ncallbacks = { module = false }", "b", () => 0);
    const base = parsePolicy(readFileSync(profilePath("default"), "utf8"), "default", () => 0, true);
    if (!below.ok || !above.ok || !base.ok) throw new Error("expected policies");
    expect(compilePolicy([base.layer, below.layer]).app).toMatchObject({
      callbacksPath: "/c.mjs",
      monitorLogPath: "/m",
    });
    expect(compilePolicy([base.layer, below.layer, above.layer]).app).toMatchObject({
      callbacksPath: null,
      monitorLogPath: null,
    });
  });
});

describe("mistakes", () => {
  const ladder = (step: string): string =>
    `[[applications]]\nname = "x"\n[applications.physical.critical]\nladder = [${step}]`;
  test.each([
    [
      "[[applications]]\ninterval = '1s'",
      /^f\.toml:1: applications\[0\]\.name: expected a name of letters.*found nothing$/,
    ],
    [
      "[[applications]]\nname = '../x'",
      /:2: applications\[0\]\.name: expected a name of letters.*found "\.\.\/x"/,
    ],
    [
      "[[applications]]\nname = 'x'\ndump_directory = 'dumps'",
      /:3: .*dump_directory: expected the absolute path of a directory/,
    ],
    [
      "[[applications]]\nname = 'x'\ndump_directory = '/a/../b'",
      /:3: .*dump_directory: expected the absolute path/,
    ],
    [
      "[[applications]]\nname = 'x'\ngroups = [{ name = 'a' }]",
      /groups\[0\]\.cmdline: expected a regular expression/,
    ],
    [
      "[[applications]]\nname = 'x'\ngroups = [{ name = 'a', cmdline = '(' }]",
      /cmdline: expected a regular expression \(JavaScript's/,
    ],
    [
      "[[applications]]\nname = 'x'\ngroups = [{ name = 'a', cmdline = 'a', member = 'b' }]",
      /member: expected a regular expression with a group, .*found "b"/,
    ],
    [
      "[[applications]]\nname = 'x'\n[applications.physical]\nacts_in = [3]",
      /acts_in\[0\]: expected 0, 1 or 2, .*found the number 3/,
    ],
    [
      "[[applications]]\nname = 'x'\n[applications.physical]\nacts_in = 2",
      /acts_in: expected an array of values of vm\.overcommit_memory/,
    ],
    [
      "[[applications]]\nname = 'x'\n[applications.allocated]\nbasis = 'free'",
      /allocated\.basis: expected one of .* it belongs in \[applications\.physical\]/,
    ],
    [
      "[[applications]]\nname = 'x'\n[applications.physical.info]\nused = '1%'",
      /info\.used: expected one of ladder/,
    ],
    ["[[applications]]\nname = 'x'\nphysical = true", /physical: expected a table, or false, found true/],
    [ladder("'signal'"), /ladder\[0\]: expected an array of steps|ladder\[0\]: expected "log"/],
    [
      ladder("{ action = 'signal', signal = 'SIGKILL' }"),
      /\.signal: expected .*found SIGKILL, which none can answer; to end it so, use the step "sigkill"/,
    ],
    [
      ladder("{ action = 'signal', signal = 'SIGSTOP' }"),
      /\.signal: expected .*found SIGSTOP, which none can answer$/,
    ],
    [
      ladder("{ action = 'signal', signal = 'usr1' }"),
      /\.signal: expected .*found "usr1" \(did you mean SIGUSR1\?\)/,
    ],
    [ladder("{ action = 'signal', signal = 'SIGURS1' }"), /\(did you mean SIGUSR1\?\)/],
    [ladder("{ action = 'signal', signal = 10 }"), /\.signal: expected .*found the number 10/],
    [ladder("{ action = 'signal' }"), /\.signal: expected .*found nothing/],
    [ladder("{ action = 'wait' }"), /\.file: expected a file's path.*found nothing/],
    [ladder("{ action = 'wait', file = '$HOME/x' }"), /\.file: expected a file's path.*found "\$HOME\/x"/],
    [ladder("{ action = 'wait', file = 'x/' }"), /\.file: expected a file's path/],
    [ladder("{ action = 'wait', file = 'x', ends_with = '' }"), /\.ends_with: expected the text/],
    [ladder("{ action = 'dump' }"), /\.run: expected a command line/],
    [ladder("{ action = 'dump', run = 'x', count = 0 }"), /\.count: expected a whole number from 1 to 100/],
    [
      ladder("{ action = 'renice' }"),
      /\.action: expected "log", "dump", "signal", "wait", "command", "sigterm" or "sigkill"/,
    ],
    [
      "callbacks = { module = 'c.mjs' }",
      /callbacks\.module: expected the absolute path of a file, .*or false, found "c\.mjs"/,
    ],
    ["monitor_log = 'x'", /monitor_log: expected the absolute path/],
    ["exit_with_application = 1", /exit_with_application: expected true or false/],
    ["[applications]\nname = 'x'", /applications: expected an array of tables/],
  ])("%j", (text, expected) => {
    expect(mistakes(text).join("\n")).toMatch(new RegExp(expected.source, "m"));
  });
});

test("what is waited for is a path of the main process", () => {
  const environ = "HOME=/h\0EMPTY=\0ERL_CRASH_DUMP=/var/log/crash\0";
  const crash = "${ERL_CRASH_DUMP:-erl_crash.dump}";
  expect(waitedFile(crash, "/cwd", environ)).toBe("/var/log/crash");
  expect(waitedFile(crash, "/cwd", "HOME=/h\0")).toBe("/cwd/erl_crash.dump");
  expect(waitedFile(crash, "/", "XERL_CRASH_DUMP=1\0")).toBe("/erl_crash.dump");
  expect(waitedFile("${EMPTY:-x}", "/cwd", environ)).toBe("/cwd/x");
  expect(waitedFile("${HOME}/a-${HOME}", "/cwd", environ)).toBe("/h/a-/h");
  expect(waitedFile("${EMPTY}/x", "/cwd", environ)).toBeNull();
  expect(waitedFile("${NOSUCH}", "/cwd", environ)).toBeNull();
  expect(waitedFile("logs/x", "/cwd", environ)).toBe("/cwd/logs/x");
});

test("a value with a dollar is taken as it stands", () => {
  expect(waitedFile("${A}", "/cwd", "A=/x/$&/$1\0")).toBe("/x/$&/$1");
});

test("in plain words", () => {
  const words = describePolicy(policyOf('monitor_log = "/m.log"', "nso"));
  expect(words).toContain("application nso, every 1s; dumps in /var/lib/plimsoll/dumps, at most 1.00 GiB\n");
  expect(words).toContain('processes with "\\\\.smp.*-ncs true"; the main one\n');
  expect(words).toContain(
    "physical memory, what of MemTotal is not available: warning at 90%, critical at 95%, over 2% below\n",
  );
  expect(words).toContain("acts where vm.overcommit_memory is 2\n");
  expect(words).toContain(
    'critical: log -> SIGUSR1 (2s) -> wait for ${ERL_CRASH_DUMP:-erl_crash.dump} to end with "=end" (5m)',
  );
  expect(words).toContain("monitor log /m.log\n");
  expect(describePolicy(policyOf(""))).toContain("application none\n");
});

/** Command lines as they are seen, and the group of the profile that each is in; null: in none. */
const SEEN: readonly (readonly [
  profile: string,
  commandLine: string,
  group: string | null,
  member?: string,
])[] = [
  [
    "nso",
    "/opt/ncs/current/lib/ncs/erts/bin/ncs.smp -K true -P 277140 -- -root /opt/ncs -ncs true",
    "ncs.smp",
  ],
  ["nso", "/usr/lib/erlang/erts-13.1.5/bin/beam.smp -- -root /usr/lib/erlang -noshell -ncs true", "ncs.smp"],
  ["nso", "java -Xmx2G -classpath :/opt/ncs/java/jar/* com.tailf.ncs.NcsJVMLauncher", "NcsJVMLauncher"],
  [
    "nso",
    "python3 -u /opt/ncs/src/ncs/pyapi/ncs_pyvm/startup.py -l info -f ./logs/ncs-python-vm -i l3vpn",
    "python",
    "l3vpn",
  ],
  ["nso", "/usr/bin/python3 /opt/startup.py -i a-b.c -l info", "python", "a-b.c"],
  ["nso", "vi startup.py", null],
  ["nso", "/usr/lib/erlang/erts-13.1.5/bin/beam.smp -- -root /usr/lib/erlang", null],
  ["erlang", "/usr/lib/erlang/erts-13.1.5/bin/beam.smp -- -root /usr/lib/erlang", "vm"],
  ["erlang", "tail -f /var/log/beam.smp.log", null],
  ["jvm", "/usr/lib/jvm/java-17/bin/java -jar a.jar", "vm"],
  ["jvm", "vi java -version", null],
  ["node", "node --report-on-signal app.js", "node"],
  ["node", "/usr/bin/node --max-old-space-size=4096 --heapsnapshot-signal=SIGUSR2 app.js", "node"],
  ["node", "/usr/bin/node app.js", null],
  ["node", "/usr/bin/node /usr/bin/plimsoll run --profile node", null],
  ["go", "/usr/local/bin/prometheus --config.file=/etc/prometheus.yml", "main"],
  ["go", "vi /etc/prometheus", null],
  ["go", "/usr/bin/containerd", null],
];

test.for(SEEN)("%s: %s is in %s", ([profile, commandLine, name, member]) => {
  const { groups, main } = only("", profile);
  expect(groups.map((group) => group.name)).toContain(main);
  const group = groups.find(({ cmdline }) => new RegExp(cmdline, "su").test(commandLine));
  expect(group?.name ?? null).toBe(name);
  if (group === undefined || group.member === null) return;
  expect(new RegExp(group.member, "su").exec(commandLine)?.[1]).toBe(member);
});
