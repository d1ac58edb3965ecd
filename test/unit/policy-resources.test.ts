/** [cpu], [disk], [io], [net] and [vm]: from the text to the policy, and what is told of a wrong one. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compilePolicy } from "../../src/core/policy/compile.ts";
import type { Policy } from "../../src/core/policy/policy.ts";
import { formatProblem } from "../../src/core/policy/problem.ts";
import { checkPolicy, loadPolicy } from "../../src/main/config/load-policy.ts";
import { parsePolicy } from "../../src/main/config/parse-policy.ts";
import { profilePath } from "../../src/main/config/profiles.ts";

const LOWEST = readFileSync(profilePath("default"), "utf8");

/** The policy of texts over the built-in one. */
function compiled(...texts: string[]): Policy {
  const layers = [LOWEST, ...texts].map((text, index) => {
    const parsed = parsePolicy(text, `${index}.toml`, () => null, index === 0);
    if (!parsed.ok) throw new Error(parsed.problems.map(formatProblem).join("\n"));
    return parsed.layer;
  });
  return compilePolicy(layers);
}

function mistakes(text: string): string[] {
  const parsed = parsePolicy(text, "f", () => null);
  return parsed.ok ? [] : parsed.problems.map(formatProblem);
}

const RESOURCES = `
[cpu]
enabled = false
interval = "500ms"
busy = "80%"
recover = "50%"
window = 30
in_a_row = 3
ladder = ["renice", { action = "renice", nice = 19, deadline = "1s" }, "quarantine", { action = "quarantine", cores = 0.1 }, "freeze", { action = "command", run = "x" }, "sigterm", "sigkill"]
[cpu.fair_use]
cgroups = ["/machine.slice/*"]
cores = 1.5
window = "1m"
warn = "2m"
quarantine = "0s"
quarantine_cores = 0.5
release = "10s"
measure = "1s"
[disk]
enabled = false
interval = "2s"
interval_min = "50ms"
horizon = "30s"
space = "1GiB"
space_recover = "2GiB"
inodes = 1000
inodes_recover = "10%"
abnormal = 2.5
ladder = ["log", { action = "reclaim", deadline = "3s" }, "reclaim"]
[[disk.mounts]]
path = "/"
space = "10%"
inodes = 500
inodes_recover = 600
[[disk.mounts]]
path = "/mnt/**"
enabled = false
[[disk.places]]
files = "/var/log/a*.log"
age = "2h"
order = "largest"
method = "delete"
[[disk.places]]
files = "/srv/app/**"
[io]
enabled = false
interval = "100ms"
busy = "70%"
stall = "5%"
for = "0s"
cgroups = ["/a/*"]
devices = ["sd?", "nvme*"]
bytes_min = "2MiB"
operations_min = 5
release = "20s"
measure = "2s"
ladder = ["throttle", { action = "throttle", share = "25%", deadline = "4s" }]
[net]
enabled = true
interfaces = ["vnet*"]
never = ["eth0"]
duplicate = "retest"
retest = "30s"
expiry = "1m"
moving_macs = ["02:00:5E:*", "aa:bb:cc:dd:ee:f?"]
[net.rates]
interval = "200ms"
interfaces = ["vxlan*"]
window = 10
bytes = "1MB"
packets = 100
down_bytes = "2MB"
down_packets = 200
steps = [{ rate = "500kB" }, { rate = 1000, delay = "20ms" }]
step = "5s"
relax = "20s"
down = true
[vm]
enabled = true
uri = "test:///default"
interval = "3s"
never = ["router*"]
order = ["build-?"]
hibernate_at = "critical"
freeze_on_cpu = true
resume_after = "2m"
destroy = true
qemu_cgroups = ["/qemu/*"]
deadline = "5s"
`;

test("every key reaches the policy, in the units of its name", () => {
  const { cpu, disk, io, net, vm } = compiled(RESOURCES);
  expect(cpu).toEqual({
    enabled: false,
    intervalMs: 500,
    busyShare: 0.8,
    recoverShare: 0.5,
    window: 30,
    inARow: 3,
    ladder: [
      { action: "renice", nice: 10, deadlineMs: 10_000 },
      { action: "renice", nice: 19, deadlineMs: 1000 },
      { action: "quarantine", cores: 0.5, deadlineMs: 10_000 },
      { action: "quarantine", cores: 0.1, deadlineMs: 10_000 },
      { action: "freeze", deadlineMs: 30_000 },
      { action: "command", command: "x", deadlineMs: 5000 },
      { action: "sigterm", deadlineMs: 2000 },
      { action: "sigkill", deadlineMs: 10_000 },
    ],
    fairUse: {
      cgroups: ["/machine.slice/*"],
      cores: 1.5,
      windowMs: 60_000,
      warnMs: 120_000,
      quarantineMs: 0,
      quarantineCores: 0.5,
      releaseMs: 10_000,
      measureMs: 1000,
    },
  });
  expect(disk).toEqual({
    enabled: false,
    intervalMs: 2000,
    intervalMinMs: 50,
    horizonMs: 30_000,
    space: { low: { bytes: 2 ** 30 }, recover: { bytes: 2 ** 31 } },
    inodes: { low: { bytes: 1000 }, recover: { share: 0.1 } },
    mounts: [
      {
        path: "/",
        enabled: true,
        space: { low: { share: 0.1 }, recover: { share: expect.closeTo(0.15) } },
        inodes: { low: { bytes: 500 }, recover: { bytes: 600 } },
      },
      { path: "/mnt/**", enabled: false, space: null, inodes: null },
    ],
    places: [
      { files: "/var/log/a*.log", ageMs: 7_200_000, order: "largest", method: "delete" },
      { files: "/srv/app/**", ageMs: 60_000, order: "oldest", method: "auto" },
    ],
    abnormalFactor: 2.5,
    ladder: [
      { action: "log" },
      { action: "reclaim", deadlineMs: 3000 },
      { action: "reclaim", deadlineMs: 10_000 },
    ],
  });
  expect(io).toEqual({
    enabled: false,
    intervalMs: 100,
    busyShare: 0.7,
    stallShare: 0.05,
    forMs: 0,
    cgroups: ["/a/*"],
    devices: ["sd?", "nvme*"],
    bytesMinPerSecond: 2 ** 21,
    operationsMinPerSecond: 5,
    releaseMs: 20_000,
    measureMs: 2000,
    ladder: [
      { action: "throttle", share: 0.5, deadlineMs: 10_000 },
      { action: "throttle", share: 0.25, deadlineMs: 4000 },
    ],
  });
  expect(net).toEqual({
    enabled: true,
    interfaces: ["vnet*"],
    never: ["eth0"],
    duplicate: "retest",
    retestMs: 30_000,
    expiryMs: 60_000,
    movingMacs: ["02:00:5e:*", "aa:bb:cc:dd:ee:f?"],
    rates: {
      intervalMs: 200,
      interfaces: ["vxlan*"],
      window: 10,
      bytesPerSecond: 1e6,
      packetsPerSecond: 100,
      downBytesPerSecond: 2e6,
      downPacketsPerSecond: 200,
      steps: [
        { bytesPerSecond: 500_000, delayMs: 0 },
        { bytesPerSecond: 1000, delayMs: 20 },
      ],
      stepMs: 5000,
      relaxMs: 20_000,
      down: true,
    },
  });
  expect(vm).toEqual({
    enabled: true,
    uri: "test:///default",
    intervalMs: 3000,
    never: ["router*"],
    order: ["build-?"],
    hibernateAt: "critical",
    freezeOnCpu: true,
    resumeAfterMs: 120_000,
    destroy: true,
    qemuCgroups: ["/qemu/*"],
    deadlineMs: 5000,
  });
});

describe("over each other", () => {
  test("an end is inherited with the beginning it belongs to, and derived for another", () => {
    expect(compiled("").cpu.recoverShare).toBe(0.81);
    expect(compiled("cpu.busy = '50%'").cpu.recoverShare).toBe(0.45);
    expect(compiled("cpu = { busy = '50%', recover = '20%' }", "cpu.window = 5").cpu.recoverShare).toBe(0.2);
    expect(compiled("cpu = { busy = '50%', recover = '20%' }", "cpu.busy = '60%'").cpu.recoverShare).toBe(
      0.54,
    );
    expect(compiled("disk = { space = '4%', space_recover = '5%' }").disk.space.recover).toEqual({
      share: 0.05,
    });
    const again = compiled("disk = { space = '4%', space_recover = '5%' }", "disk.space = '2GiB'");
    expect(again.disk.space).toEqual({ low: { bytes: 2 ** 31 }, recover: { bytes: 3 * 2 ** 30 } });
    expect(again.disk.inodes.low).toEqual({ share: 0.05 });
  });

  test("what a mount does not say is that of all mounts", () => {
    const [mount] = compiled("[disk]\nspace = '4%'\nmounts = [{ path = '/srv', space_recover = '9%' }]").disk
      .mounts;
    expect(mount).toEqual({
      path: "/srv",
      enabled: true,
      space: { low: { share: 0.04 }, recover: { share: 0.09 } },
      inodes: null,
    });
  });

  test("nobody is held to a share or squeezed unless somebody is named; false drops them again", () => {
    expect(compiled("").cpu.fairUse).toBe(null);
    expect(compiled("").net.rates).toBe(null);
    const on = "cpu.fair_use.cgroups = ['/a']\nnet.rates.interfaces = ['a*']";
    expect(compiled(on).cpu.fairUse).toMatchObject({ cgroups: ["/a"], cores: 0.8, quarantineCores: 0.25 });
    expect(compiled(on).net.rates).toMatchObject({ interfaces: ["a*"], window: 180 });
    const off = "cpu.fair_use = false\nnet.rates = false";
    expect(compiled(on, off).cpu.fairUse).toBe(null);
    expect(compiled(on, off).net.rates).toBe(null);
    expect(compiled(on, off, "cpu.fair_use.cores = 2").cpu.fairUse).toMatchObject({ cores: 2 });
  });

  test("what may be removed stands in one place", () => {
    const lower = "disk.places = [{ files = '/srv/a/*' }, { files = '/srv/b/*' }]";
    const { places } = compiled(lower, "disk.places = [{ files = '/srv/c/*' }]").disk;
    expect(places.map(({ files }) => files)).toEqual(["/srv/c/*"]);
  });
});

describe("mistakes", () => {
  const MEMORY_STEPS =
    'expected "log", "sigterm", "sigkill", or a table such as { action = "command", run = "…" }';

  test.each([
    ["memory.critical.ladder = ['freeze']", MEMORY_STEPS],
    ["disk.ladder = ['throttle']", 'expected "log", "reclaim", "sigterm", "sigkill", or a table such as'],
    ["io.ladder = ['sigkill']", 'expected "log", "throttle", or a table such as'],
    ["cpu.ladder = [{ action = 'reclaim' }]", 'cpu.ladder[0].action: expected "log", "command", "renice", '],
    ["cpu.ladder = ['command']", 'or a table such as { action = "command", run = "…" }, found "command"'],
    ["cpu.ladder = [{ action = 'command' }]", "cpu.ladder[0].run: expected a command line"],
    ["cpu.ladder = [{ action = 'renice', nice = -5 }]", "nice: expected a whole number from 1 to 19"],
    ["cpu.ladder = [{ action = 'freeze', cores = 1 }]", "cores: expected one of action, deadline, found"],
    ["cpu.ladder = [{ action = 'quarantine', cores = 0 }]", "cores: expected a number above 0 and up to"],
    ["io.ladder = [{ action = 'throttle', share = '0%' }]", "share: expected a share above 0%"],
    ["cpu.fair_use = true", "cpu.fair_use: expected a table, or false, found true"],
    ["cpu.fair_use.cores = -1", "expected a number above 0 and up to 10000, found the number -1"],
    ["cpu.busy = 90", "cpu.busy: expected a share"],
    ["cpu.window = 0", "cpu.window: expected a whole number from 1 to 3600, found the number 0"],
    ["disk.inodes = '5 GiB'", 'expected a share such as "5%", or a whole number above 0, found "5 GiB"'],
    ["disk.inodes = 0", "or a whole number above 0, found the number 0"],
    ["disk.mounts = [{ space = '1%' }]", "disk.mounts[0].path: expected where it is mounted, such as"],
    ["disk.mounts = [{ path = '/a/' }]", 'expected where it is mounted, such as "/", "/srv" or "/mnt/**"'],
    ["disk.places = [{ age = '1h' }]", "disk.places[0].files: expected an absolute path with * and ?"],
    ["disk.places = [{ files = 'var/log/x' }]", 'found "var/log/x"'],
    ["disk.places = [{ files = '/var/log/../x' }]", 'found "/var/log/../x"'],
    ["disk.places = [{ files = '/var//log' }]", 'found "/var//log"'],
    [
      "disk.places = [{ files = '/a/b', order = 'newest' }]",
      'expected "oldest" or "largest", found "newest"',
    ],
    ["disk.places = ['/a/b']", "disk.places[0]: expected a table"],
    ["disk.places = { files = '/a/b' }", "expected an array of tables, such as [{ files ="],
    ["net.interfaces = ['a/b']", "expected an interface's name with * and ?"],
    ["net.interfaces = ['abcdefghijklmnop']", "at most 15 bytes"],
    ["net.duplicate = 'kill'", 'expected "log", "down" or "retest", found "kill"'],
    ["net.moving_macs = ['00:11']", 'expected a MAC address with * and ?, such as "02:00:5e:*"'],
    ["net.moving_macs = ['00:11:22:33:44:gg']", "expected a MAC address"],
    ["net.rates.steps = [{ delay = '1ms' }]", "net.rates.steps[0].rate: expected a size"],
    ["net.rates.steps = ['10MB']", "net.rates.steps[0]: expected a table"],
    ["net.rates.bytes = '0B'", "net.rates.bytes: expected a size from 1B to 1TiB"],
    ["vm.uri = 'qemu'", 'expected a URI of libvirt such as "qemu:///system", found "qemu"'],
    ["vm.hibernate_at = true", 'expected "warning", "critical" or false, found true'],
    ["vm.never = 'router'", 'expected an array of patterns of names, such as ["build-*"], found "router"'],
    ["vm.deadline = '1ms'", "vm.deadline: expected a duration from 1s to 1h"],
    ["cpu.fairuse = false", "did you mean fair_use?"],
    ["cpu.places = []", "it belongs in [disk]"],
  ])("%s", (text, expected) => {
    const [only, ...rest] = mistakes(text);
    expect(rest).toEqual([]);
    expect(only).toContain(expected);
  });
});

describe("the default profile", () => {
  test("watches processors, disks and I/O, and acts on nobody", () => {
    const { cpu, disk, io, net, vm } = loadPolicy();
    for (const { enabled, ladder } of [cpu, disk, io]) {
      expect({ enabled, ladder }).toEqual({ enabled: true, ladder: [{ action: "log" }] });
    }
    expect(cpu).toMatchObject({ busyShare: 0.9, window: 60, inARow: 5, intervalMs: 1000, fairUse: null });
    expect(disk).toMatchObject({ intervalMs: 5000, places: [], mounts: [] });
    expect(net).toMatchObject({ enabled: false, duplicate: "log", rates: null });
    expect(vm).toMatchObject({ enabled: false, hibernateAt: null, freezeOnCpu: false, destroy: false });
  });
});

describe("the ork profile", () => {
  const { policy, findings } = checkPolicy({ profile: "ork" });

  test("is a good one, of which nothing is to be said", () => {
    expect(findings).toEqual([]);
    expect(policy.source).toBe("built-in:ork");
  });

  test("guards everything", () => {
    const { memory, cpu, disk, io, net, vm } = policy;
    for (const { enabled } of [memory, cpu, disk, io, net, vm]) expect(enabled).toBe(true);
    expect(vm).toMatchObject({ hibernateAt: "warning", freezeOnCpu: true, destroy: true });
    expect(memory.critical?.ladder.at(-1)?.action).toBe("sigkill");
  });

  test("has upstream's numbers", () => {
    const { cpu, disk, net } = policy;
    expect(cpu).toMatchObject({ intervalMs: 1000, busyShare: 0.9, window: 60, inARow: 5 });
    expect(cpu.ladder.map(({ action }) => action)).toEqual([
      "log",
      "renice",
      "quarantine",
      "sigterm",
      "sigkill",
    ]);
    expect(cpu.fairUse).toMatchObject({
      cores: 0.8,
      windowMs: 300_000,
      warnMs: 300_000,
      quarantineMs: 600_000,
      releaseMs: 300_000,
      measureMs: 5000,
    });
    expect(disk.intervalMs).toBe(5000);
    const files = disk.places.map((place) => place.files);
    expect(files).toEqual(["/var/log/openvswitch/*.log*", "/var/log/syslog*", "/opt/jumpscale7/var/log/**"]);
    expect(net).toMatchObject({ duplicate: "down" });
    expect(net.rates).toMatchObject({
      interfaces: ["vxlan*"],
      window: 180,
      bytesPerSecond: 175e6,
      packetsPerSecond: 28_000,
      downBytesPerSecond: 225e6,
      downPacketsPerSecond: 36_000,
      down: true,
    });
    expect(net.rates?.steps.at(-1)).toEqual({ bytesPerSecond: 25_000, delayMs: 200 });
  });

  test("ends nobody of upstream's list, nor their descendants but those of core0 and coreX", () => {
    const own = policy.victim.never.slice(loadPolicy().victim.never.length);
    const ruleOf = (name: string) =>
      own.find((rule) => new RegExp(`^(?:${rule.name})$`, "u").test(name))?.descendants;
    // Names as the kernel cuts them.
    for (const name of ["0-ork", "qemu-system-x86", "libvirtd", "kthreadd", "g8ufs"]) {
      expect([name, ruleOf(name)]).toEqual([name, true]);
    }
    for (const name of ["core0", "coreX"]) expect([name, ruleOf(name)]).toEqual([name, false]);
    expect(ruleOf("python3")).toBe(undefined);
  });
});
