/** What lint says of [cgroups] and [rescue], and how they are described. */
import { describe, expect, test } from "vitest";
import { compilePolicy } from "../../src/core/policy/compile.ts";
import { describePolicy } from "../../src/core/policy/describe.ts";
import type { HostFacts } from "../../src/core/policy/finding.ts";
import { lintPolicy } from "../../src/core/policy/lint.ts";
import type { CgroupCalibration, Policy } from "../../src/core/policy/policy.ts";
import { parsePolicy } from "../../src/main/config/parse-policy.ts";
import { profilePath } from "../../src/main/config/profiles.ts";
import { readPolicyText } from "../../src/main/config/read-text.ts";

const MIB = 2 ** 20;
const HOST: HostFacts = {
  totalBytes: 8 * 2 ** 30,
  swapTotalBytes: 2 ** 30,
  psi: true,
  scopeExists: true,
  cgroupVersion: 1,
  cgroups: [
    { path: "/app", limitBytes: null },
    { path: "/app/web", limitBytes: 512 * MIB },
    { path: "/app/db", limitBytes: 256 * MIB },
    { path: "/batch", limitBytes: 2048 * MIB },
    { path: "/free", limitBytes: null },
  ],
  resources: null,
};

interface Said {
  readonly policy: Policy;
  readonly lint: (host?: HostFacts | null) => string[];
}

function said(text: string, calibration: Record<string, CgroupCalibration> = {}): Said {
  const builtIn = readPolicyText(profilePath("default"));
  if (!builtIn.ok) throw new Error(builtIn.found);
  const layers = [
    parsePolicy(builtIn.text, "built-in", () => null, true),
    parsePolicy(text, "f", () => null),
  ].map((parsed) => {
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return parsed.layer;
  });
  const policy = compilePolicy(layers, calibration);
  const lint = (host: HostFacts | null = null): string[] =>
    lintPolicy(policy, host, layers[1]?.lineOf).map(
      ({ severity, line, key, message }) => `${severity} ${line} ${key}: ${message}`,
    );
  return { policy, lint };
}

const found = (text: string, host: HostFacts | null = null): string[] => said(text).lint(host);
const RESCUE = "[rescue]\ncgroups = ['/app/*']\n";

test("rescue as documented has no findings", () => {
  expect(found(`${RESCUE}donors = ['/batch']\npause = ['/app/db']`, HOST)).toEqual([]);
  expect(found(`${RESCUE}donors = []`, HOST)).toEqual([]);
});

describe("errors: what makes no sense on any host", () => {
  test.each([
    [
      "rescue.add_min = '2GiB'",
      "error 1 rescue.add_min: expected at most rescue.add_max (1.00 GiB), found 2.00 GiB",
    ],
    [
      "[cgroups]\nenabled = false\n[rescue]\ncgroups = ['/a']",
      "error 2 cgroups.enabled: expected true, as rescue.cgroups names whom to rescue, found false",
    ],
  ])("%j", (text, expected) => {
    expect(found(text)).toEqual([expected]);
  });

  test("all of them at once", () => {
    const text = `cgroups.enabled = false\n${RESCUE}add_max = '1MiB'`;
    expect(found(text).filter((each) => each.startsWith("error"))).toHaveLength(2);
  });
});

describe("what will surprise", () => {
  test.each([
    [
      `${RESCUE}pause = ['/app/db',\n'/db/*', '/**']`,
      `warning 4 rescue.pause[1]: expected a pattern that can match what rescue.cgroups matches, found "/db/*"`,
    ],
    [
      "rescue.pause = ['/app/*']",
      `warning 1 rescue.pause[0]: expected a pattern that can match what rescue.cgroups matches, found "/app/*"`,
    ],
    [
      "rescue.donors = ['/batch']",
      "warning 1 rescue.donors: expected rescue.cgroups to say who may be given what these lend, found none",
    ],
    [
      `${RESCUE}margin = '1MiB'`,
      "warning 3 rescue.margin: expected at least 30.7 MiB: 10ms, as long as the kernel may take to speak, of growth of 3.00 GiB a second, for which add_max and reaction are made, found 1.00 MiB",
    ],
    [
      // 100 MiB in 1 s: 1 MiB in 10 ms.
      `${RESCUE}margin = '900KiB'\nadd_max = '100MiB'\nreaction = '1s'`,
      "warning 3 rescue.margin: expected at least 1.00 MiB: 10ms, as long as the kernel may take to speak, of growth of 100 MiB a second, for which add_max and reaction are made, found 900 KiB",
    ],
    [
      `${RESCUE}reaction = '5ms'`,
      "warning 3 rescue.reaction: expected at least 10ms, as long as the kernel may take to speak again, found 5ms",
    ],
    [
      `${RESCUE}return_after = '500ms'`,
      "warning 3 rescue.return_after: expected at least 10 times rescue.reaction (100ms), found 500ms",
    ],
    [
      `cgroups.interval = '5s'\n${RESCUE}`,
      "warning 1 cgroups.interval: expected at most 1s where limits may be moved, found 5s",
    ],
    ["cgroups.watch = []", "warning 1 cgroups.watch: expected at least one pattern, found none"],
    [
      "cgroups.half_life = '30s'",
      "warning 1 cgroups.half_life: expected at least 10 times cgroups.interval (5s), found 30s",
    ],
    [
      `${RESCUE}donors = ['/b', '/a', '/b']`,
      'warning 3 rescue.donors[2]: expected each pattern once, found "/b" twice',
    ],
    [
      "cgroups.watch = ['/a',\n'/app/{web,db}']",
      'warning 2 cgroups.watch[1]: expected no wildcards but *, ** and ?, found "/app/{web,db}"',
    ],
    [
      "rescue.host_reserve = '100%'",
      "warning 1 rescue.host_reserve: expected less than all memory, found 100%",
    ],
  ])("%j", (text, expected) => {
    expect(found(text)).toEqual([expected]);
  });

  test("a margin is not too small for who waits at the limit, on a host that can hold it there", () => {
    const text = `${RESCUE}margin = '64KiB'\npause = ['/app/*']`;
    expect(found(text, HOST)).toEqual([]);
    expect(found(text, { ...HOST, cgroupVersion: 2 }).join()).toContain(
      "rescue.margin: expected at least 30.7",
    );
    expect(found(`${RESCUE}margin = '20MiB'`, HOST)).toEqual([]);
    expect(found(`${RESCUE}margin = '10MiB'`, HOST).join()).toContain("expected at least 12.3 MiB: 4ms");
  });

  test("times and amounts are let be where nobody is rescued", () => {
    expect(found("[rescue]\nmargin = '64KiB'\nreaction = '1ms'\nreturn_after = '0s'")).toEqual([]);
  });

  test("a calibration of nobody who is followed", () => {
    const entry = { minBytes: 1, maxBytes: 3, medianBytes: 2 };
    const text = "[cgroups]\nwatch = ['/app/*']\ncalibration = '/c.json'";
    expect(said(text, { "/app/web": entry, "/gone": entry }).lint()).toEqual([]);
    expect(said(text, { "/gone": entry }).lint()).toEqual([
      'warning 3 cgroups.calibration: expected a calibration of cgroups that cgroups.watch matches, found one of "/gone" and such',
    ]);
    expect(said(text).lint().join()).toContain("found one of none");
  });
});

describe("patterns outside of the scope", () => {
  test("are told, each where it stands", () => {
    const text = `scope = '/build'\n${RESCUE}donors = ['/build/**', '/builder']\npause = ['/*/x']`;
    expect(found(text)).toEqual([
      'warning 3 rescue.cgroups[0]: expected a pattern of what lies in the scope /build, found "/app/*"',
      'warning 4 rescue.donors[1]: expected a pattern of what lies in the scope /build, found "/builder"',
    ]);
  });

  test("watch is held to it too, but not for what [rescue] added", () => {
    const text = "scope = '/build'\ncgroups.watch = ['/build/**',\n'/x']\nrescue.cgroups = ['/build/a']";
    expect(found(text)).toEqual([
      'warning 3 cgroups.watch[1]: expected a pattern of what lies in the scope /build, found "/x"',
    ]);
  });
});

describe("held against the cgroups of a host", () => {
  test("a pattern that matches none now, once; the built-in /** never", () => {
    expect(found("[rescue]\ncgroups = ['/app/*', '/ap/*']\ndonors = ['/batch/**']", HOST)).toEqual([
      'warning 2 rescue.cgroups[1]: expected a pattern of cgroups that are there, found "/ap/*", which matches none of 5',
      'warning 3 rescue.donors[0]: expected a pattern of cgroups that are there, found "/batch/**", which matches none of 5',
    ]);
    expect(found(`${RESCUE}pause = ['/db']`, HOST)).toHaveLength(1);
    expect(found("", { ...HOST, cgroups: [] })).toEqual([]);
  });

  test("receivers without a limit", () => {
    expect(found("rescue.cgroups = ['/free']", HOST)).toEqual([
      "info 1 rescue.cgroups: expected cgroups with a limit of their own, found 1 without",
    ]);
  });

  test("pause on cgroup v2, a reserve of all there is, and a host without cgroups", () => {
    const paused = `${RESCUE}pause = ['/app/db']`;
    expect(found(paused, { ...HOST, cgroupVersion: 2 })).toEqual([
      "info 3 rescue.pause: expected cgroup v1, where a cgroup can wait at its limit, found cgroup v2",
    ]);
    expect(found(`${RESCUE}host_reserve = '8GiB'`, HOST)).toEqual([
      "warning 3 rescue.host_reserve: expected less than the memory there is (8.00 GiB), found 8.00 GiB",
    ]);
    const none = { ...HOST, cgroupVersion: null, cgroups: [] };
    expect(found(RESCUE, none)).toEqual([
      "warning 2 rescue.cgroups: expected a host with the memory controller, found none",
    ]);
    expect(found("", none)).toEqual([]);
  });
});

describe("described", () => {
  const lines = (text: string, host: HostFacts | null = HOST, calibration = {}): string =>
    describePolicy(said(text, calibration).policy, host);

  test("the built-in policy changes nothing", () => {
    const text = lines("");
    expect(text).toContain(
      "cgroups     /** (now 5: /app, /app/web, /app/db, /batch, /free; 2 of them have no limit)",
    );
    expect(text).toMatch(
      /^ {12}usage every 5s, limits, events and memory\.stat every 30s; new ones are found within 5s$/m,
    );
    expect(text).toMatch(/^rescue {6}nobody: no limit is changed, nobody is paused; /m);
    expect(text).not.toMatch(/^donors/m);
  });

  test("who may be given, who lends, who waits, and the bounds", () => {
    const text = lines(`${RESCUE}donors = ['/batch', '/b?']\nlend_max = '50%'\nrescues_max = 9`);
    expect(text).toMatch(/^rescue {6}may be given memory: \/app\/\* \(now 2: \/app\/web, \/app\/db\)$/m);
    expect(text).toMatch(/^donors {6}may lend it: \/batch, \/b\? \(now 1: \/batch\)$/m);
    expect(text).toMatch(/^pause {7}nobody: /m);
    expect(text).toMatch(/^begins {6}32\.0 MiB below a limit \(nearer to a small one\), or when the kernel/m);
    expect(lines(`${RESCUE}margin = 0`)).toMatch(
      /^begins {6}at the limit, when the kernel says that it is met$/m,
    );
    expect(text).toMatch(
      /^adds {8}what lasts 100ms at the present growth: 8\.00 MiB to 1\.00 GiB an event$/m,
    );
    expect(text).toMatch(
      /^step 1 {6}from nobody, while .* less than 90% .* and 5% of the host's memory stays/m,
    );
    expect(text).toMatch(/^step 2 {6}from donors .* 16\.0 MiB more than it uses$/m);
    expect(text).toMatch(/^at most {5}50% of a cgroup's own limit, 9 times within 10m; /m);
    expect(text).toMatch(/^goes back {3}when it was not needed for 1m, /m);
  });

  test("pause by kernel, many names by number, nobody, and no cgroups at all", () => {
    const paused = `${RESCUE}donors = []\npause = ['/app/db', '/free']`;
    expect(lines(paused)).toMatch(
      /^pause .* dying \(cgroup v1\): \/app\/db, \/free \(now 2: .*; 1 of them has no limit\)$/m,
    );
    expect(lines(paused, { ...HOST, cgroupVersion: 2 })).toMatch(
      /^pause .* not on this host, which has cgroup v2/m,
    );
    expect(lines(paused)).toMatch(/^donors {6}may lend it: nobody$/m);
    expect(lines(paused, null)).toMatch(/^rescue {6}may be given memory: \/app\/\*$/m);
    const many = Array.from({ length: 8 }, (_, i) => ({ path: `/c${i}`, limitBytes: null }));
    expect(lines("", { ...HOST, cgroups: many })).toContain("/c4 and 3 more; all have no limit)");
    expect(lines("", { ...HOST, cgroups: [] })).toContain("/** (now none)");
    expect(lines("cgroups.enabled = false")).toMatch(/^cgroups {5}not followed; nobody's limit is changed$/m);
  });

  test("only what lies in the scope is counted", () => {
    expect(lines("scope = '/app'")).toContain("/** (now 3: /app, /app/web, /app/db; ");
    expect(lines("scope = '/ap'")).toContain("/** (now none)");
  });

  test("a calibration, and a dry run", () => {
    const calibration = { "/app/web": { minBytes: 1, maxBytes: 3, medianBytes: 2 } };
    const text = lines("dry_run = true\ncgroups.calibration = '/c.json'", HOST, calibration);
    expect(text).toMatch(/^mode {8}dry run: nothing is signalled, no limit is moved$/m);
    expect(text).toMatch(
      /^calibration 1 cgroup of \/c\.json; learned while running, a sample counts half after 24h$/m,
    );
  });
});
