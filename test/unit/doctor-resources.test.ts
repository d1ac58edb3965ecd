/** What plimsoll doctor says of guarding CPU, disks, I/O, network and machines: on hosts made of files, and on this one. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Check, Subject } from "../../src/main/doctor/check.ts";
import { networkChecks } from "../../src/main/doctor/network-checks.ts";
import { commandLineCheck, resourceChecks } from "../../src/main/doctor/resource-checks.ts";

const made: string[] = [];
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true });
});

const PATH = process.env["PATH"];
let programs = "";
beforeEach(() => {
  programs = mkdtempSync(join(tmpdir(), "plimsoll-doctor-"));
  made.push(programs);
  process.env["PATH"] = programs;
});
afterEach(() => {
  if (PATH !== undefined) process.env["PATH"] = PATH;
});

/** A program of that name which does what a line of /bin/sh says. */
function program(name: string, line: string): void {
  const file = join(programs, name);
  writeFileSync(file, `#!/bin/sh\n${line}\n`);
  chmodSync(file, 0o755);
}

/** A host made of files. */
function hostOf(files: Record<string, string>, vmUri?: string): Subject {
  const root = mkdtempSync(join(tmpdir(), "plimsoll-doctor-"));
  made.push(root);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const roots = { proc: join(root, "proc"), cgroup: join(root, "cgroup"), kmsg: join(root, "kmsg") };
  return { roots, scope: "host", uid: 0, ...(vmUri === undefined ? {} : { vmUri }) };
}

function named(checks: readonly Check[], name: string): Check {
  const check = checks.find((each) => each.name === name);
  if (check === undefined) throw new Error(`no check ${name}`);
  expect(check.advice === null).toBe(check.state === "ok");
  return check;
}

const V1 = {
  "cgroup/cpu,cpuacct/cpu.shares": "1024\n",
  "cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
  "cgroup/blkio/blkio.throttle.io_service_bytes": "",
  "cgroup/blkio/blkio.throttle.write_bps_device": "",
  "cgroup/freezer/cgroup.procs": "",
};
const V2 = {
  "cgroup/cgroup.controllers": "cpu io memory\n",
  "cgroup/a/cpu.max": "max 100000\n",
  "cgroup/a/io.max": "",
  "cgroup/a/cgroup.freeze": "0\n",
};
const PRESSURE = { "proc/pressure/cpu": "", "proc/pressure/io": "" };

describe("cgroups", () => {
  test.each([
    ["v1", V1, "cpu.cfs_quota_us may be written", "cgroup v1, freezer"],
    ["v2", V2, "cpu.max may be written", "cgroup v2, cgroup.freeze"],
  ])("%s with all there is", (_, files, quota, freezer) => {
    const checks = resourceChecks(hostOf({ ...files, ...PRESSURE }));
    expect(named(checks, "PSI of CPU and I/O").state).toBe("ok");
    expect(named(checks, "CPU quarantine")).toMatchObject({ state: "ok", found: quota });
    expect(named(checks, "I/O throttling").state).toBe("ok");
    expect(named(checks, "cgroup freezer")).toMatchObject({ state: "ok", found: freezer });
  });

  test("without anything", () => {
    const checks = resourceChecks(hostOf({}));
    for (const name of [
      "PSI of CPU and I/O",
      "CPU quarantine",
      "I/O throttling",
      "cgroup freezer",
      "virsh",
    ]) {
      expect([name, named(checks, name).state]).toEqual([name, "missing"]);
    }
    expect(named(checks, "PSI of CPU and I/O").found).toBe("no /proc/pressure/cpu, /proc/pressure/io");
  });

  test("v2 whose controllers are enabled for nobody", () => {
    const { "cgroup/cgroup.controllers": controllers, "cgroup/a/cgroup.freeze": freeze } = V2;
    const files = { "cgroup/cgroup.controllers": controllers, "cgroup/a/cgroup.freeze": freeze };
    const checks = resourceChecks(hostOf(files));
    expect(named(checks, "CPU quarantine")).toMatchObject({
      state: "missing",
      found: "no cgroup has cpu.max",
      advice: "enable it in cgroup.subtree_control (cgroup v2), or mount it (v1)",
    });
  });
});

describe("virsh", () => {
  const check = (uri?: string): Check => named(resourceChecks(hostOf({}, uri)), "virsh");

  test("answers", () => {
    program("virsh", 'echo one; echo "two words"; echo; echo "$@" >&2');
    expect(check("test:///default")).toMatchObject({
      state: "ok",
      found: "test:///default answers, 2 running",
    });
  });

  test("cannot reach libvirtd: its last word is told", () => {
    program("virsh", 'echo "error: failed to connect" >&2; echo "error: no such file" >&2; exit 1');
    expect(check()).toMatchObject({ state: "limited", found: "qemu:///system: error: no such file" });
  });

  test("only looks, where it is told to", () => {
    program("virsh", 'echo "$@" >&2; exit 1');
    expect(check("test:///default").found).toBe(
      "test:///default: --readonly --quiet --connect test:///default list --name",
    );
  });
});

describe("the network", () => {
  test("tc that is there, fails, or is not", () => {
    const check = (): Check => named(networkChecks(hostOf({})), "tc");
    expect(check()).toMatchObject({ state: "missing", found: "ENOENT" });
    program("tc", "echo 'tc utility, iproute2-6.1.0'");
    expect(check()).toMatchObject({ state: "ok", found: "tc utility, iproute2-6.1.0" });
    program("tc", "echo broken >&2; exit 1");
    expect(check()).toMatchObject({ state: "missing", found: "broken" });
  });

  test("capabilities, as the kernel tells them", () => {
    const state = (capabilities: string): string =>
      named(networkChecks(hostOf({ "proc/self/status": `CapEff:\t${capabilities}\n` })), "interfaces down")
        .state;
    expect(state("0000000000001000")).toBe("ok");
    expect(state("0000000000000fff")).toBe("missing");
  });

  test("without a default route nothing is kept up by itself, and that is told", () => {
    const found = named(networkChecks(hostOf({})), "interfaces kept up");
    expect(found.state).toBe("limited");
    expect(found.found).toMatch(/^none of \d+$/);
  });

  test("the interface of the default route is kept up", () => {
    const route =
      "Iface\tDestination\tGateway\tFlags\nlo\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n";
    const found = named(networkChecks(hostOf({ "proc/self/net/route": route })), "interfaces kept up");
    expect(found).toMatchObject({ state: "ok", found: "lo (the default route)" });
  });
});

describe("the kernel command line", () => {
  test.each([
    ["quiet", "ok", "no switch"],
    ["plimsoll=nocpu ork=nomem", "limited", "plimsoll=nocpu ork=nomem"],
    ["plimsoll=off,x", "limited", "plimsoll=off; plimsoll=x is unknown"],
    ["plimsoll=x", "limited", "plimsoll=x: unknown"],
  ])("%j is %s", (text, state, found) => {
    const check = commandLineCheck(hostOf({ "proc/cmdline": `${text}\n` }));
    expect(check).toMatchObject({ state, found });
    expect(named([check], "kernel command line")).toBe(check);
  });

  test("one that cannot be read switches nothing off", () => {
    expect(commandLineCheck(hostOf({})).state).toBe("ok");
  });
});

test("openat2 is tried on this kernel", () => {
  const { state, found } = named(resourceChecks(hostOf({})), "openat2");
  expect([state, found]).toEqual(state === "ok" ? ["ok", "works"] : ["missing", "ENOSYS"]);
});
