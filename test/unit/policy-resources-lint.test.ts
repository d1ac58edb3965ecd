/** What lint and describe say of [cpu], [disk], [io], [net] and [vm]. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compilePolicy } from "../../src/core/policy/compile.ts";
import { describePolicy } from "../../src/core/policy/describe.ts";
import type { HostFacts, ResourceFacts } from "../../src/core/policy/finding.ts";
import { lintPolicy } from "../../src/core/policy/lint.ts";
import { formatProblem } from "../../src/core/policy/problem.ts";
import { NO_SWITCHES, parseSwitches } from "../../src/core/policy/switches.ts";
import { parsePolicy } from "../../src/main/config/parse-policy.ts";
import { profilePath } from "../../src/main/config/profiles.ts";

const RESOURCES: ResourceFacts = {
  processors: 4,
  ioPressure: true,
  defaultRouteInterfaces: ["eth0"],
  switches: NO_SWITCHES,
};

function hostWith(resources: Partial<ResourceFacts> = {}): HostFacts {
  return {
    totalBytes: 2 ** 33,
    swapTotalBytes: 2 ** 30,
    psi: true,
    scopeExists: true,
    cgroupVersion: 2,
    cgroups: [],
    resources: { ...RESOURCES, ...resources },
  };
}

function layersOf(text: string, profile: string | null) {
  const builtIn = ["default", ...(profile === null ? [] : [profile])].map((name) =>
    parsePolicy(readFileSync(profilePath(name), "utf8"), name, () => 0, true),
  );
  return [...builtIn, parsePolicy(text, "f", () => null)].map((parsed) => {
    if (!parsed.ok) throw new Error(parsed.problems.map(formatProblem).join("\n"));
    return parsed.layer;
  });
}

/** Findings in one line each, without the advice. */
function found(text: string, host: HostFacts | null = hostWith(), profile: string | null = null): string[] {
  const layers = layersOf(text, profile);
  return lintPolicy(compilePolicy(layers), host, layers.at(-1)?.lineOf).map(
    ({ severity, line, key, message }) => `${severity} ${line} ${key}: ${message}`,
  );
}

test("the profiles have no findings, on a host that has everything and on a host unknown", () => {
  for (const profile of [null, "ork", "nso", "erlang", "jvm", "node", "go"]) {
    expect(found("", hostWith(), profile)).toEqual([]);
    expect(found("", null, profile)).toEqual([]);
  }
});

describe("errors: what makes no sense, or is dangerous, on any host", () => {
  test.each([
    [
      "cpu = { busy = '50%', recover = '50%' }",
      "error 1 cpu.recover: expected less than cpu.busy (50%), found 50%",
    ],
    [
      "cpu.fair_use = { cgroups = ['/a'], release = '5s', measure = '5s' }",
      "error 1 cpu.fair_use.release: expected more than cpu.fair_use.measure (5s), found 5s",
    ],
    ["disk.interval_min = '1m'", "error 1 disk.interval_min: expected at most disk.interval (5s), found 1m"],
    [
      "disk = { space = '5%', space_recover = '5%' }",
      "error 1 disk.space_recover: expected more than space (5%), found 5%",
    ],
    [
      "disk = { inodes = 100, inodes_recover = 50 }",
      "error 1 disk.inodes_recover: expected more than inodes (100), found 50",
    ],
    [
      "[[disk.mounts]]\npath = '/srv'\nspace = '2GiB'\nspace_recover = '1GiB'",
      "error 4 disk.mounts[0].space_recover: expected more than space (2.00 GiB), found 1.00 GiB",
    ],
    [
      "io = { release = '1s', measure = '2s' }",
      "error 1 io.release: expected more than io.measure (2s), found 1s",
    ],
    [
      "[net.rates]\ninterfaces = ['a*']\nbytes = '300MB'",
      "error 1 net.rates.down_bytes: expected more than net.rates.bytes (286 MiB a second), found 215 MiB a second",
    ],
    [
      "[net.rates]\ninterfaces = ['a*']\ndown_packets = 28000",
      "error 3 net.rates.down_packets: expected more than net.rates.packets (28000 a second), found 28000 a second",
    ],
  ])("%s", (text, expected) => {
    expect(found(text)).toContain(expected);
  });
});

describe("places that are never given away", () => {
  const errors = (files: string): string[] =>
    found(`disk = { ladder = ["reclaim"], places = [{ files = "${files}" }] }`).filter((line) =>
      line.startsWith("error"),
    );

  test.each([
    "/**",
    "/*",
    "/*/log/x",
    "/file",
    "/v*/log/*.log",
    "/etc/*.bak",
    "/etc/app/x",
    "/usr/**",
    "/usr/share/doc/**",
    "/usr/local/*",
    "/proc/1/x",
    "/sys/**",
    "/run/*",
    "/cache/**",
    "/lib/modules/*/x",
    "/home/**",
    "/home/*/.cache/**",
    "/opt/*",
    "/root/**",
    "/srv/*/log/x",
    "/var/**",
    "/var/*",
    "/var/lib/**",
    "/var/lib/*/cache/x",
  ])("%s", (files) => {
    expect(errors(files)).toHaveLength(1);
    expect(errors(files)[0]).toContain("disk.places[0].files: expected files in a directory of their own");
  });

  test.each([
    "/var/log/*.log",
    "/var/log/syslog",
    "/var/lib/app/cache/**",
    "/opt/app/log/**",
    "/home/alice/.cache/**",
    "/usr/local/app/log/*.log",
    "/srv/mirror/tmp/*",
    "/mnt/cache/**",
  ])("but %s may be", (files) => {
    expect(errors(files)).toEqual([]);
  });
});

describe("warnings: what will surprise", () => {
  test.each([
    [
      "cpu.ladder = ['sigkill', 'renice']",
      "warning 1 cpu.ladder[1]: expected sigkill as the last step, found renice after it",
    ],
    ["cpu.ladder = []", "warning 1 cpu.ladder: expected at least one step, found none"],
    [
      "cpu.ladder = [{ action = 'quarantine', cores = 4 }]",
      "warning 1 cpu.ladder[0].cores: expected less than the processors there are (4), found 4",
    ],
    [
      "cpu.fair_use = { cgroups = ['/a'], cores = 8, quarantine_cores = 1 }",
      "warning 1 cpu.fair_use.cores: expected less than the processors there are (4), found 8",
    ],
    [
      "cpu.fair_use = { cgroups = ['/a'], quarantine_cores = 0.9 }",
      "warning 1 cpu.fair_use.quarantine_cores: expected less than cpu.fair_use.cores (0.8), found 0.9",
    ],
    [
      "cpu.fair_use = { cgroups = ['/**'] }",
      'warning 1 cpu.fair_use.cgroups[0]: expected patterns of those who have a share, such as /machine.slice/*, found "/**": all there are',
    ],
    [
      "cpu.fair_use = { cgroups = ['/a'], window = '2s' }",
      "warning 1 cpu.fair_use.window: expected at least 5 times cpu.interval (1s), found 2s",
    ],
    ["disk.space = '100%'", "warning 1 disk.space: expected less than all there is, found 100%"],
    ["disk.abnormal = 1", "warning 1 disk.abnormal: expected more than 1, found 1"],
    [
      "disk.ladder = ['reclaim']",
      "warning 1 disk.ladder: expected disk.places to say what may be removed, found none",
    ],
    [
      "disk.places = [{ files = '/srv/a/*' }]",
      'warning 1 disk.places: expected a step "reclaim" in disk.ladder, found none',
    ],
    [
      "disk = { ladder = ['reclaim'], places = [{ files = '/srv/a/*' }, { files = '/srv/a/*' }] }",
      'warning 1 disk.places[1].files: expected each place once, found "/srv/a/*" twice',
    ],
    [
      "disk = { ladder = ['reclaim'], places = [{ files = '/srv/a/{b,c}' }] }",
      'warning 1 disk.places[0].files: expected no wildcards but *, ** and ?, found "/srv/a/{b,c}"',
    ],
    [
      "disk = { ladder = ['reclaim'], places = [{ files = '/var/log/**' }] }",
      'warning 1 disk.places[0].files: expected nothing of the guard\'s own, found "/var/log/**", which matches the audit log /var/log/plimsoll/audit.jsonl',
    ],
    [
      "io = { ladder = ['throttle'], cgroups = [] }",
      "warning 1 io.cgroups: expected patterns of those who may be throttled, found none",
    ],
    [
      "io.ladder = [{ action = 'throttle', share = '100%' }]",
      "warning 1 io.ladder[0].share: expected less than all of what it does now, found 100%",
    ],
    [
      "net = { never = ['eth*'], interfaces = ['eth1'] }",
      'warning 1 net.interfaces[0]: expected an interface that net.never does not match, found "eth1"',
    ],
    [
      "net = { duplicate = 'down', interfaces = ['eth0'] }",
      "warning 1 net.interfaces[0]: expected an interface that the host can do without, found eth0, which carries the default route here, named in full: it may be put down",
    ],
    [
      "net.rates = { interfaces = ['eth0'], down = true }",
      "warning 1 net.rates.interfaces[0]: expected an interface that the host can do without, found eth0, which carries the default route here, named in full: it may be put down",
    ],
    [
      "net.rates = { interfaces = ['a'], relax = '1s' }",
      "warning 1 net.rates.relax: expected at least net.rates.step (10s), found 1s",
    ],
    [
      "net.rates = { interfaces = ['a'], steps = [] }",
      "warning 1 net.rates.steps: expected at least one step, or down = true, found none",
    ],
    [
      "net.rates = { interfaces = ['a'], steps = [{ rate = '1GB' }] }",
      "warning 1 net.rates.steps[0].rate: expected less than net.rates.bytes (167 MiB a second), found 954 MiB a second",
    ],
    [
      "net.rates = { interfaces = ['a'], steps = [{ rate = '1MiB' }, { rate = '1MiB' }] }",
      "warning 1 net.rates.steps[1].rate: expected less than the step before (1.00 MiB a second), found 1.00 MiB a second",
    ],
    [
      "vm.enabled = true",
      "warning 1 vm.enabled: expected hibernate_at, freeze_on_cpu or destroy to say what may be done, found none of them",
    ],
    [
      "vm = { enabled = true, hibernate_at = 'warning' }\nmemory.warning = false",
      'warning 1 vm.hibernate_at: expected a level that is switched on, found "warning", which is off',
    ],
    [
      "vm = { enabled = true, freeze_on_cpu = true }\ncpu.enabled = false",
      "warning 1 vm.freeze_on_cpu: expected cpu.enabled = true to say when, found false",
    ],
    [
      "vm = { enabled = true, destroy = true, never = ['*'] }",
      'warning 1 vm.never[0]: expected some machine that may be touched, found "*": none',
    ],
    [
      "vm = { enabled = true, destroy = true, never = ['a*'], order = ['ab'] }",
      'warning 1 vm.order[0]: expected a machine that vm.never does not match, found "ab"',
    ],
    ["scope = '/a'\n[cpu]\nbusy = '80%'", 'warning 2 cpu: expected scope = "host", found the scope /a'],
  ])("%s", (text, expected) => {
    expect(found(text)).toContain(expected);
  });

  test("a wildcard never reaches the interface of the default route, and nothing is said of it", () => {
    expect(found("net = { enabled = true, duplicate = 'down', interfaces = ['*'] }")).toEqual([]);
    expect(found("net = { duplicate = 'down', interfaces = ['eth0'] }", null)).toEqual([]);
    expect(found("net = { duplicate = 'log', interfaces = ['eth0'] }")).toEqual([]);
  });

  test("of a host that lacks what is needed, or switches it off", () => {
    expect(found("", hostWith({ ioPressure: false }))).toEqual([
      "warning null io.stall: expected a kernel with pressure stall information (PSI), found no /proc/pressure/io",
    ]);
    expect(found("", hostWith({ switches: parseSwitches("plimsoll=nocpu,nowt") }))).toEqual([
      "warning null : expected a kernel command line that switches nothing off, found plimsoll=nocpu",
      "warning null : expected a switch that is known (docs/operating.md) on the kernel command line, found plimsoll=nowt",
    ]);
  });
});

describe("in words", () => {
  const described = (text: string, profile: string | null = null): string =>
    describePolicy(compilePolicy(layersOf(text, profile)));

  test("the default profile", () => {
    const text = described("");
    expect(text).toMatch(
      /^cpu {9}90% of all processors in use on average of 60 looks, 1s apart, 5 times in a row; over below 81%: log$/m,
    );
    expect(text).toMatch(/^fair use {4}nobody is held to a share$/m);
    expect(text).toMatch(
      /^disk {8}every 5s, down to 100ms when full within 1m; less than 5% of space free, /m,
    );
    expect(text).toMatch(/^place {7}no file is removed$/m);
    expect(text).toMatch(/^io {10}\* busy for 95% of the time and tasks stalled for 30%, for 10s: log$/m);
    expect(text).toMatch(/^net {9}not guarded$/m);
    expect(text).toMatch(/^vm {10}not guarded$/m);
  });

  test("the ork profile", () => {
    const text = described("", "ork");
    expect(text).toContain(
      "log -> renice 19 (5s) -> quarantine 0.5 CPU (10s) -> sigterm (2s) -> sigkill (10s)",
    );
    expect(text).toMatch(
      /^fair use {4}\/machine\.slice\/\*, \/machine\/\* above 0\.8 CPU on average of 5m: warned of after 5m, given 0\.25 CPU 10m later; released for 5s/m,
    );
    expect(text).toMatch(/^mount {7}\/: less than 10% of space free, over at 15%, less than 10% of inodes/m);
    expect(text).toMatch(
      /^place {7}\/var\/log\/syslog\*: whatever its age, oldest first, deleted, or emptied in place while a process writes to it$/m,
    );
    expect(text).toContain("log -> throttle to 50% (10s)");
    expect(text).toMatch(
      /^net {9}\*: whose MAC address another host has too is put down; never what carries/m,
    );
    expect(text).toMatch(/^rates {7}vxlan\* above 167 MiB or 28000 packets a second .*put down at 215 MiB/m);
    expect(text).toMatch(
      /^vm {10}qemu:\/\/\/system, every 10s: at memory warning who uses most is hibernated, /m,
    );
  });

  test("what a file says otherwise", () => {
    const text = described(
      "[disk]\nmounts = [{ path = '/a', enabled = false }, { path = '/b' }]\n[net]\nenabled = true\nduplicate = 'retest'\nnever = ['eth1']\nmoving_macs = ['02:*']\n[vm]\nenabled = true\nnever = ['r']",
    );
    expect(text).toMatch(/^mount {7}\/a: not guarded\nmount {7}\/b: as all others$/m);
    expect(text).toContain(
      "put down, and tested again after 1m, then twice the time; never eth1, what carries",
    );
    expect(text).toContain("; 02:* may move");
    expect(text).toMatch(/^rates {7}nobody is squeezed$/m);
    expect(text).toMatch(/: nothing is done; goes on 1m after/);
    expect(text).toMatch(/^ +never r; an action may take 1m$/m);
  });

  test("a guard of one cgroup guards nothing of it", () => {
    expect(described("scope = '/a'", "ork")).toMatch(/^the rest {4}not guarded: /m);
  });
});
