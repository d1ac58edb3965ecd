import { describe, expect, test } from "vitest";
import { compilePolicy } from "../../src/core/policy/compile.ts";
import type { Finding, HostFacts } from "../../src/core/policy/finding.ts";
import { lintPolicy } from "../../src/core/policy/lint.ts";
import { parsePolicy } from "../../src/main/config/parse-policy.ts";
import { readPolicyText } from "../../src/main/config/read-text.ts";
import { profilePath } from "../../src/main/config/profiles.ts";

const GIB = 2 ** 30;
const HOST: HostFacts = {
  totalBytes: 8 * GIB,
  swapTotalBytes: GIB,
  psi: true,
  scopeExists: true,
  cgroupVersion: 1,
  cgroups: [],
  resources: null,
};

function layersOf(text: string) {
  const builtIn = readPolicyText(profilePath("default"));
  if (!builtIn.ok) throw new Error(builtIn.found);
  const documents = [
    parsePolicy(builtIn.text, "built-in", () => null, true),
    parsePolicy(text, "f", () => null),
  ];
  return documents.map((parsed) => {
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return parsed.layer;
  });
}

function findings(text: string, host: HostFacts | null = HOST): Finding[] {
  const layers = layersOf(text);
  return lintPolicy(compilePolicy(layers), host, layers[1]?.lineOf);
}

/** Findings in one line each, without the advice. */
function found(text: string, host: HostFacts | null = HOST): string[] {
  return findings(text, host).map(
    ({ severity, line, key, message }) => `${severity} ${line} ${key}: ${message}`,
  );
}

test("the built-in policy has no findings, on a host that has everything, and on a host unknown", () => {
  expect(found("")).toEqual([]);
  expect(found("", null)).toEqual([]);
});

describe("errors: policies that make no sense on any host", () => {
  test.each([
    [
      "memory.interval_min = '1s'",
      "error 1 memory.interval_min: expected at most memory.interval (100 ms), found 1000 ms",
    ],
    [
      "memory.critical.available = '12%'",
      "error 1 memory.critical.available: expected less than memory.warning.available (10%), found 12%",
    ],
    [
      "memory = { warning = { available = '1GiB' }, critical = { available = '2GiB' } }",
      "error 1 memory.critical.available: expected less than memory.warning.available (1.00 GiB), found 2.00 GiB",
    ],
    [
      "memory.critical.recover = '5%'",
      "error 1 memory.critical.recover: expected more than memory.critical.available (5%), found 5%",
    ],
  ])("%s", (text, expected) => {
    expect(found(text, null)).toEqual([expected]);
  });

  test("an empty command is one, though no file can say it", () => {
    const policy = compilePolicy(layersOf(""));
    const critical = policy.memory.critical;
    if (critical === null) throw new Error("the built-in policy has a critical level");
    const ladder = [{ action: "command", command: " ", deadlineMs: 1 }] as const;
    const memory = { ...policy.memory, critical: { ...critical, ladder } };
    expect(lintPolicy({ ...policy, memory })[0]).toMatchObject({
      severity: "error",
      key: "memory.critical.ladder[0].run",
      expected: "a command line",
    });
  });
});

describe("levels and ladders", () => {
  test.each([
    [
      "memory.critical.available = '10%'",
      "warning 1 memory.critical.available: expected less than memory.warning.available (10%), found 10%",
    ],
    [
      "memory.critical.available = '2GiB'",
      "warning 1 memory.critical.available: expected less than memory.warning.available (10%), found 2.00 GiB",
    ],
    [
      "memory.critical.recover = '100MiB'",
      "warning 1 memory.critical.recover: expected more than memory.critical.available (5%), found 100 MiB",
    ],
    [
      "memory.warning.available = '8GiB'",
      "warning 1 memory.warning.available: expected less than the memory there is (8.00 GiB), found 8.00 GiB",
    ],
    [
      "memory.critical.recover = '9GiB'",
      "warning 1 memory.critical.recover: expected less than the memory there is (8.00 GiB), found 9.00 GiB",
    ],
    [
      "memory.thrashing.available = '100%'",
      "warning 1 memory.thrashing.available: expected less than the memory there is (8.00 GiB), found 100%",
    ],
    [
      "memory.critical.ladder = ['sigkill',\n'log']",
      "warning 2 memory.critical.ladder[1]: expected sigkill as the last step, found log after it",
    ],
    [
      "memory.critical.ladder = []",
      "warning 1 memory.critical.ladder: expected at least one step, found none",
    ],
    [
      "memory.critical.ladder = ['log']",
      "info 1 memory.critical.ladder: expected a step that brings memory back (command, sigterm, sigkill), found log alone",
    ],
    [
      "memory.walk_interval = '5m'",
      "warning 1 memory.walk_interval: expected at most memory.walk_interval_calm (60000 ms), found 300000 ms",
    ],
    [
      "memory = { warning = false, critical = false, thrashing = false }",
      "warning 1 memory: expected at least one level switched on, found none",
    ],
    [
      "victim.minimum = '5GiB'",
      "warning 1 victim.minimum: expected much less than the memory there is (8.00 GiB), found 5.00 GiB",
    ],
  ])("%s", (text, expected) => {
    expect(found(text)).toContain(expected);
  });

  test("a share against a size says nothing where the total is not known", () => {
    expect(found("memory.critical.available = '2GiB'", null)).toEqual([]);
    expect(found("memory.critical.available = '2GiB'", { ...HOST, totalBytes: null })).toEqual([]);
  });
});

describe("what this host lacks is never an error", () => {
  test.each<[string, Partial<HostFacts>, string[]]>([
    [
      "",
      { swapTotalBytes: 0 },
      [
        "info null memory.warning.swap_free: expected swap on the host, found none",
        "info null memory.critical.swap_free: expected swap on the host, found none",
      ],
    ],
    [
      "memory = { warning = { swap_free = false }, critical = { swap_free = false } }",
      { swapTotalBytes: 0 },
      [],
    ],
    [
      "",
      { psi: false },
      [
        "warning null memory.thrashing: expected a kernel with pressure stall information (PSI), found no /proc/pressure/memory",
      ],
    ],
    ["memory.thrashing = false", { psi: false }, []],
    [
      "\nscope = '/gone'",
      { scopeExists: false },
      ['warning 2 scope: expected a memory cgroup that exists, found "/gone"'],
    ],
  ])("%j %j", (text, facts, expected) => {
    expect(found(text, { ...HOST, ...facts })).toEqual(expected);
  });
});

describe("rules", () => {
  test.each([
    [
      "\nvictim.never = [{ name = 'systemd-journald' }]",
      'warning 2 victim.never[0].name: expected a pattern that a name of 15 bytes can match (the kernel keeps no more), found "systemd-journald", at least 16 bytes',
    ],
    [
      "victim.prefer = [{ name = 'ok|containerd-shim-runc-v2' }]",
      'warning 1 victim.prefer[0].name: expected names of at most 15 bytes (the kernel keeps no more), found "containerd-shim-runc-v2"',
    ],
    [
      "victim.prefer = [{ exe = '/(a+)+' }]",
      'warning 1 victim.prefer[0].exe: expected no repetition inside a repetition, found "/(a+)+"',
    ],
    [
      "[[victim.avoid]]\nname = 'a'\n[[victim.avoid]]\nname = 'a'",
      "warning 3 victim.avoid[1]: expected each rule once, found the same rule on line 1",
    ],
    [
      "victim.avoid = [{ name = 'pipewire|wireplumber|pulseaudio' }]",
      "warning 1 victim.avoid[0]: expected each rule once, found the same rule in the built-in policy",
    ],
    [
      "victim.prefer = [{ name = 'dbus-daemon' }]",
      "warning 1 victim.prefer[0]: expected a rule that can take effect, found a never rule in the built-in policy for every process it matches",
    ],
    [
      "victim.prefer = [{ name = 'a' }]\nvictim.never = [{ name = '[a-c]' }]",
      "warning 1 victim.prefer[0]: expected a rule that can take effect, found a never rule on line 2 for every process it matches",
    ],
    [
      "victim.prefer = [{ exe = '/x', user = 5, name = 'b.*' }]\nvictim.never = [{ name = 'b.*' }]",
      "warning 1 victim.prefer[0]: expected a rule that can take effect, found a never rule on line 2 for every process it matches",
    ],
    [
      "victim.prefer = [{ cmdline = 'a.*' }]\nvictim.never = [{ cmdline = '.*' }]",
      "warning 1 victim.prefer[0]: expected a rule that can take effect, found a never rule on line 2 for every process it matches",
    ],
    [
      "victim.prefer = [{ cgroup = '/a' }]\nvictim.avoid = [{ cgroup = '/a' }]",
      "warning 2 victim.avoid[0]: expected a process preferred or avoided, found the same under prefer on line 1",
    ],
  ])("%s", (text, expected) => {
    expect(found(text)).toEqual([expected]);
  });

  test.each([
    ["a part narrower", "victim.prefer = [{ name = 'a' }]\nvictim.never = [{ name = 'a', user = 5 }]"],
    ["another user", "victim.prefer = [{ name = 'a', user = 6 }]\nvictim.never = [{ name = 'a', user = 5 }]"],
    ["not all alternatives", "victim.prefer = [{ name = 'a|d' }]\nvictim.never = [{ name = '[a-c]' }]"],
    ["no plain text", "victim.prefer = [{ name = 'a.*' }]\nvictim.never = [{ name = 'a.+' }]"],
    [
      "descendants only below the other",
      "victim.prefer = [{ name = 'a', descendants = true }]\nvictim.never = [{ name = 'a', descendants = false }]",
    ],
    ["names of 15 bytes", "victim.prefer = [{ name = 'containerd-shin.*|[a-z]{15}|é{7}' }]"],
  ])("no shadow, no finding: %s", (_, text) => {
    expect(found(text)).toEqual([]);
  });

  test("the advice for a long name is the name as the kernel cuts it, in whole characters", () => {
    const advice = (name: string) => findings(`victim.never = [{ name = '${name}' }]`)[0]?.advice;
    expect(advice("systemd-journald")).toBe(
      'the rule never fires; write the first 15 bytes: "systemd-journal", or use exe',
    );
    expect(advice("ééééééééé")).toContain('"ééééééé"');
    expect(advice("x[abc]{20}")).toBe("the rule never fires; write the first 15 bytes, or use exe");
  });
});

test("findings come gravest first, then by line", () => {
  const text = "memory.critical.ladder = ['log']\nmemory.interval_min = '1s'\nvictim.minimum = '5GiB'";
  expect(findings(text).map(({ severity, line }) => [severity, line])).toEqual([
    ["error", 2],
    ["warning", 3],
    ["info", 1],
  ]);
});
