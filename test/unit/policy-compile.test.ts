import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compilePolicy } from "../../src/core/policy/compile.ts";
import type { Policy } from "../../src/core/policy/policy.ts";
import { amountBytes } from "../../src/core/policy/policy.ts";
import { parsePolicy } from "../../src/main/config/parse-policy.ts";
import { loadPolicy } from "../../src/main/config/load-policy.ts";
import { profilePath } from "../../src/main/config/profiles.ts";

const BASE = `
scope = "host"
dry_run = false
[memory]
enabled = true
interval = "100ms"
interval_min = "1ms"
walk_below = "20%"
walk_horizon = "10s"
walk_interval = "100ms"
walk_interval_calm = "60s"
urgent_stall = "10%"
warning = { available = "10%", swap_free = "10%", for = "0s", ladder = ["log"] }
critical = { available = "5%", recover = "9%", swap_free = "5%", for = "0s", ladder = ["sigterm", "sigkill"] }
thrashing = { pages_per_second = 500, stall = "20%", available = "15%", for = "3s", ladder = ["sigkill"] }
[victim]
unit = "auto"
minimum = "1MiB"
inherit = false
never = [{ name = "sshd", descendants = false }]
[cgroups]
enabled = true
watch = ["/**"]
stat_every = 6
scan = "5s"
half_life = "24h"
[rescue]
cgroups = []
pause = []
global_threshold = "90%"
host_reserve = "5%"
margin = "32MiB"
add_min = "8MiB"
add_max = "1GiB"
reaction = "100ms"
donor_margin = "16MiB"
lend_max = "100%"
rescues_max = 1000
rescues_within = "10m"
return_after = "60s"
[record]
audit_limit = "64MiB"
kmsg = true
`;

/** What the other tables say is for policy-resources.test.ts. */
const LOWEST = readFileSync(profilePath("default"), "utf8");

/** The policy of texts laid over each other, the first as built in. */
function compiled(...texts: string[]): Policy {
  const layers = [LOWEST, BASE, ...texts].map((text, index) => {
    const parsed = parsePolicy(
      text,
      `${index - 1}.toml`,
      (name) => (name === "alice" ? 1000 : null),
      index <= 1,
    );
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return parsed.layer;
  });
  return compilePolicy(layers);
}

test("an empty file is the profile underneath", () => {
  expect(compiled("")).toEqual({ ...compiled(), source: "1.toml" });
});

test("every key reaches the policy, in the units of its name", () => {
  const {
    cpu: _cpu,
    disk: _disk,
    io: _io,
    net: _net,
    vm: _vm,
    app: _app,
    ...policy
  } = compiled(`
scope = "/machine/build/"
dry_run = true
[memory]
enabled = true
interval = "200ms"
interval_min = "2ms"
walk_below = "1GiB"
walk_horizon = "5s"
walk_interval = "50ms"
walk_interval_calm = "2m"
urgent_stall = "30%"
[memory.warning]
available = "1GiB"
swap_free = false
for = "1s"
ladder = ["log", { action = "command", run = "echo hi" }, { action = "command", run = "x", deadline = "9s" }]
[memory.critical]
recover = "500MB"
ladder = ["sigterm", { action = "sigterm", deadline = "3s" }, "sigkill", { action = "log" }]
[memory.thrashing]
pages_per_second = 0.5
stall = "1%"
available = "2%"
for = "9s"
ladder = []
[victim]
unit = "cgroup"
minimum = 4096
inherit = false
prefer = [{ name = "n", exe = "e", cmdline = "c", cgroup = "g", user = "alice", descendants = true }]
avoid = [{ user = 5 }]
never = [
  { name = "x" },
]
[cgroups]
enabled = false
watch = ["/app/*", "/c?"]
interval = "250ms"
stat_every = 4
scan = "2s"
half_life = "1h"
calibration = "/c.json"
[rescue]
cgroups = ["/app/*"]
donors = ["/batch/**"]
pause = ["/app/db"]
global_threshold = "80%"
host_reserve = "1GiB"
margin = "1MiB"
add_min = "64KiB"
add_max = "2MiB"
reaction = "50ms"
donor_margin = "10%"
lend_max = "250%"
rescues_max = 7
rescues_within = "1m"
return_after = "9s"
[record]
audit = "/a/b"
audit_limit = "1MiB"
dataset = "/c/d"
dataset_limit = "32MiB"
kmsg = false
`);
  const nothing = { name: null, exe: null, cmdline: null, cgroup: null, uid: null, descendants: false };
  const rule = { name: "n", exe: "e", cmdline: "c", cgroup: "g", uid: 1000, descendants: true, line: 31 };
  expect(policy).toEqual({
    source: "1.toml",
    scope: "/machine/build",
    dryRun: true,
    memory: {
      enabled: true,
      intervalMs: 200,
      intervalMinMs: 2,
      walkBelow: { bytes: 2 ** 30 },
      walkHorizonMs: 5000,
      walkIntervalMs: 50,
      walkIntervalCalmMs: 120_000,
      urgentStallShare: 0.3,
      warning: {
        available: { bytes: 2 ** 30 },
        recover: { bytes: 1.5 * 2 ** 30 },
        swapFree: null,
        forMs: 1000,
        ladder: [
          { action: "log" },
          { action: "command", command: "echo hi", deadlineMs: 5000 },
          { action: "command", command: "x", deadlineMs: 9000 },
        ],
      },
      critical: {
        available: { share: 0.05 },
        recover: { bytes: 5e8 },
        swapFree: { share: 0.05 },
        forMs: 0,
        ladder: [
          { action: "sigterm", deadlineMs: 2000 },
          { action: "sigterm", deadlineMs: 3000 },
          { action: "sigkill", deadlineMs: 10_000 },
          { action: "log" },
        ],
      },
      thrashing: {
        pagesPerSecond: 0.5,
        stallShare: 0.01,
        available: { share: 0.02 },
        forMs: 9000,
        ladder: [],
      },
    },
    victim: {
      unit: "cgroup",
      minimumBytes: 4096,
      prefer: [rule],
      avoid: [{ ...nothing, uid: 5, line: 32 }],
      never: [{ ...nothing, name: "x", descendants: true, line: 34 }],
    },
    cgroups: {
      enabled: false,
      watch: ["/app/*", "/c?", "/batch/**"],
      intervalMs: 250,
      statEvery: 4,
      scanMs: 2000,
      halfLifeMs: 3_600_000,
      calibrationPath: "/c.json",
      calibration: {},
    },
    rescue: {
      cgroups: ["/app/*"],
      donors: ["/batch/**"],
      pause: ["/app/db"],
      globalThreshold: 0.8,
      hostReserve: { bytes: 2 ** 30 },
      marginBytes: 2 ** 20,
      addMinBytes: 2 ** 16,
      addMaxBytes: 2 ** 21,
      reactionMs: 50,
      donorMargin: { share: 0.1 },
      lendShareMax: 2.5,
      rescuesMax: 7,
      rescuesWithinMs: 60_000,
      returnAfterMs: 9000,
    },
    record: {
      auditPath: "/a/b",
      auditLimitBytes: 2 ** 20,
      kmsg: false,
      samples: true,
      datasetDirectory: "/c/d",
      datasetLimitBytes: 2 ** 25,
    },
  });
});

describe("recover", () => {
  const recover = (text: string): unknown => compiled(text).memory.critical?.recover;

  test("is inherited with the available it belongs to, and derived for another", () => {
    expect(recover("")).toEqual({ share: 0.09 });
    expect(recover("memory.critical.for = '1s'")).toEqual({ share: 0.09 });
    expect(recover("memory.critical.available = '4%'")).toEqual({ share: 0.06 });
    expect(recover("memory.critical = { available = '4%', recover = '5%' }")).toEqual({ share: 0.05 });
    expect(recover("memory.critical.recover = '6%'")).toEqual({ share: 0.06 });
  });

  test("can be reached for any available below all", () => {
    for (let percent = 1; percent < 100; percent += 1) {
      const level = compiled(`memory.critical.available = '${percent}%'`).memory.critical;
      const share = amountBytes(level?.recover ?? { bytes: 0 }, 1);
      expect(share).toBeGreaterThan(percent / 100);
      expect(share).toBeLessThan(1);
    }
  });
});

describe("levels", () => {
  test("are switched off by false, and on again by a table, over what lies underneath", () => {
    expect(
      compiled("memory = { warning = false, critical = false, thrashing = false }").memory,
    ).toMatchObject({
      warning: null,
      critical: null,
      thrashing: null,
    });
    const again = compiled("memory.critical = false", "memory.critical = { for = '2s' }").memory.critical;
    expect(again).toMatchObject({ forMs: 2000, available: { share: 0.05 } });
  });

  test("are all off where memory is not guarded", () => {
    const { memory } = compiled("memory = { enabled = false, critical = { for = '2s' } }");
    expect(memory).toMatchObject({ enabled: false, warning: null, critical: null, thrashing: null });
  });

  test("swap_free may be switched off and on", () => {
    expect(compiled("memory.critical.swap_free = false").memory.critical?.swapFree).toBe(null);
    const again = compiled("memory.critical.swap_free = false", "memory.critical.swap_free = '2%'");
    expect(again.memory.critical?.swapFree).toEqual({ share: 0.02 });
  });
});

describe("rules", () => {
  const names = (policy: Policy): unknown => policy.victim.never.map(({ name, line }) => [name, line]);

  test("are added to those underneath, with the lines of their own file", () => {
    expect(names(compiled("\nvictim.never = [{ name = 'a' }]", "[[victim.never]]\nname = 'b'"))).toEqual([
      ["sshd", 0],
      ["a", 2],
      ["b", 1],
    ]);
  });

  test("inherit = false drops what lies underneath, and nothing above", () => {
    const text = "[victim]\ninherit = false\nnever = [{ name = 'a' }]";
    expect(names(compiled(text))).toEqual([["a", 3]]);
    expect(names(compiled(text, "victim.never = [{ name = 'b' }]"))).toEqual([
      ["a", 3],
      ["b", 1],
    ]);
    expect(names(compiled("victim.never = [{ name = 'a' }]", "victim.inherit = false"))).toEqual([]);
  });
});

describe("cgroups and rescue", () => {
  test("donors are the receivers unless they are said, also by saying none", () => {
    expect(compiled("rescue.cgroups = ['/a']").rescue.donors).toEqual(["/a"]);
    expect(compiled("rescue = { cgroups = ['/a'], donors = ['/b'] }").rescue.donors).toEqual(["/b"]);
    expect(compiled("rescue = { cgroups = ['/a'], donors = [] }").rescue.donors).toEqual([]);
    expect(compiled("rescue.donors = ['/b']", "rescue.cgroups = ['/a']").rescue.donors).toEqual(["/b"]);
  });

  test("who may be changed is followed, whatever is watched", () => {
    const text = "cgroups.watch = ['/w', '/a']\nrescue = { cgroups = ['/a'], donors = ['/b', '/w'] }";
    expect(compiled(text).cgroups.watch).toEqual(["/w", "/a", "/b"]);
    expect(compiled("cgroups.watch = []").cgroups.watch).toEqual([]);
  });

  test("cgroups are looked at each 5 s, each second once limits may be moved, or as it is said", () => {
    expect(compiled("").cgroups.intervalMs).toBe(5000);
    expect(compiled("rescue.cgroups = ['/a']").cgroups.intervalMs).toBe(1000);
    expect(compiled("cgroups.interval = '3s'", "rescue.cgroups = ['/a']").cgroups.intervalMs).toBe(3000);
  });

  test("lists are replaced whole, so that nobody is changed by a profile's leave alone", () => {
    const { rescue } = compiled("rescue.pause = ['/a', '/b']", "rescue.pause = ['/c']");
    expect(rescue.pause).toEqual(["/c"]);
  });
});

test("a lowest layer that does not say a key is a broken invariant, not a silent zero", () => {
  const parsed = parsePolicy("", "f", () => null);
  expect(parsed.ok).toBe(true);
  if (parsed.ok)
    expect(() => compilePolicy([parsed.layer])).toThrow(
      /broken invariant: the lowest layer of a policy says \w/,
    );
});

test("the built-in policy is what its documentation says", () => {
  const { memory, victim, cgroups, rescue } = loadPolicy();
  expect(cgroups).toMatchObject({ enabled: true, watch: ["/**"], intervalMs: 5000, calibration: {} });
  // Nothing is changed unless somebody says whose limits may be.
  expect(rescue).toMatchObject({ cgroups: [], donors: [], pause: [] });
  expect(memory.warning).toMatchObject({
    available: { share: 0.1 },
    swapFree: { share: 0.1 },
    ladder: [{ action: "log" }],
  });
  expect(memory.critical).toMatchObject({ available: { share: 0.05 }, swapFree: { share: 0.05 }, forMs: 0 });
  for (const level of [memory.critical, memory.thrashing]) {
    expect(level?.ladder).toEqual([
      { action: "log" },
      { action: "sigterm", deadlineMs: 2000 },
      { action: "sigkill", deadlineMs: 10_000 },
    ]);
  }
  // All of the host descends from init: one slip here and nobody could ever be ended.
  expect(victim.never.filter((rule) => rule.descendants)).toEqual([]);
  expect(victim.never.length).toBeGreaterThan(0);
});
