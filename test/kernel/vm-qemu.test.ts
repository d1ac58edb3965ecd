/** Real QEMU guests, hibernated and frozen by the guard: by a real libvirtd, and without one by their cgroup. */
import { describe, expect, test, type TestContext } from "vitest";
import { findMemoryHierarchy } from "../../src/workers/common/cgroup-path.ts";
import { TestCgroup } from "../support/cgroup.ts";
import { GuardProcess, type Line } from "../support/guard.ts";
import { busyFloppy, libvirtd, startGuest, startLibvirt, stateOf, SYSTEM_URI } from "../support/libvirtd.ts";
import { freezer, memoryCgroups, need, root } from "../support/needs.ts";
import { virshInPath } from "../support/virsh.ts";
import { CALM, lineAbove, machinePolicy } from "../support/vm-policy.ts";
import { waitFor } from "../support/wait.ts";

const NOBODY = "/plimsoll-no-such-cgroup";
/** Processors are overloaded as soon as anybody does anything. */
const LOADED = `
[cpu]
enabled = true
interval = "200ms"
busy = "5%"
recover = "4%"
window = 2
in_a_row = 2
ladder = ["log"]
`;
/** … and never. */
const IDLE = LOADED.replace('"5%"', '"100%"').replace('"4%"', '"99%"');
const MINUTE = 60_000;

/** A minute or two each where libvirtd is slow: once, in the lab's machine (test/lab/vm.test.ts), is enough. */
const inLab = (): string | null =>
  process.env["PLIMSOLL_PATIENCE"] !== undefined || process.env["PLIMSOLL_QEMU"] === "1"
    ? null
    : "is played in the lab's machine; set PLIMSOLL_QEMU=1 to play it here";

function report(guard: GuardProcess, verb: string, limitMs = MINUTE): Promise<Line> {
  return guard.recorded(
    `that it did ${verb}`,
    (line) => line["resource"] === "vm" && line["verb"] === verb,
    limitMs,
  );
}

function reload(guard: GuardProcess, policy: string): void {
  guard.writePolicy(policy);
  guard.child.kill("SIGHUP");
}

describe("a real guest under a real libvirtd", () => {
  const vm = (more: string): string =>
    `uri = "${SYSTEM_URI}"\nresume_after = "1s"\ndeadline = "60s"\n${more}`;

  async function libvirt(context: TestContext): Promise<void> {
    need(context, root, memoryCgroups, libvirtd);
    await startLibvirt(context);
  }
  /** After the guard where it can be: it takes one processor all for itself, and a guard needs some to start. */
  const startBusy = (context: TestContext): Promise<void> => startGuest(context, "plimsoll-guest", 64);

  test("is hibernated when memory is short, and goes on when it no longer is", {
    timeout: 5 * MINUTE,
  }, async (context) => {
    need(context, inLab);
    await libvirt(context);
    const shape = vm('hibernate_at = "warning"\nfreeze_on_cpu = false');
    const guard = await GuardProcess.start(context, {
      scope: "host",
      policy: machinePolicy(NOBODY, shape, lineAbove()),
    });
    await startBusy(context);
    const line = await report(guard, "hibernate");
    expect(line).toMatchObject({ subject: "plimsoll-guest", outcome: "done" });
    expect(line["before"]["residentBytes"]).toBeGreaterThan(1024 * 1024);
    expect(line["after"]["residentBytes"]).toBeNull();
    expect(stateOf("plimsoll-guest")).toBe("shut off");
    reload(guard, machinePolicy(NOBODY, shape, CALM));
    expect(await report(guard, "start")).toMatchObject({ outcome: "released" });
    expect(stateOf("plimsoll-guest")).toBe("running");
  });

  test("is frozen under load of the processors, and goes on after it", {
    timeout: 5 * MINUTE,
  }, async (context) => {
    need(context, inLab);
    await libvirt(context);
    const memory = machinePolicy(NOBODY, vm("freeze_on_cpu = true"), CALM);
    const guard = await GuardProcess.start(context, { scope: "host", policy: memory + LOADED });
    await startBusy(context);
    expect(await report(guard, "freeze")).toMatchObject({ subject: "plimsoll-guest", outcome: "done" });
    expect(stateOf("plimsoll-guest")).toBe("paused");
    reload(guard, memory + IDLE);
    expect(await report(guard, "resume")).toMatchObject({ outcome: "released" });
    expect(stateOf("plimsoll-guest")).toBe("running");
  });

  test("is not left frozen by a guard that is killed, nor by one that stops", {
    timeout: 5 * MINUTE,
  }, async (context) => {
    await libvirt(context);
    await startBusy(context);
    const policy = machinePolicy(NOBODY, vm("freeze_on_cpu = true"), CALM) + LOADED;
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      const guard = await GuardProcess.start(context, { scope: "host", policy });
      await report(guard, "freeze");
      expect(stateOf("plimsoll-guest")).toBe("paused");
      await guard.stop(signal);
      await waitFor(`it to go on after ${signal}`, () => stateOf("plimsoll-guest") === "running", 30_000);
    }
  });
});

describe("a real guest without libvirt", () => {
  test("is frozen by its cgroup under load, goes on after it, and after kill -9 of the guard", {
    timeout: 5 * MINUTE,
  }, async (context) => {
    const isV1 = findMemoryHierarchy("/sys/fs/cgroup")?.version === 1;
    need(context, root, memoryCgroups, libvirtd, ...(isV1 ? [freezer] : []));
    const cgroup = isV1 ? TestCgroup.freezer(context) : TestCgroup.memory(context, null);
    const qemu = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-accel", "tcg", "-m", "32"];
    const isFrozen = (): boolean =>
      isV1 ? cgroup.read("freezer.state") === "FROZEN" : /^frozen 1$/m.test(cgroup.read("cgroup.events"));
    const vm = `uri = "test:///default"\nqemu_cgroups = ["${cgroup.scope}"]\nresume_after = "1s"\nfreeze_on_cpu = true\nnever = ["test"]`;
    const memory = machinePolicy(NOBODY, vm, CALM);
    // Of libvirt there is none: that keeps no QEMU from being frozen.
    const env = { PATH: virshInPath(context, "exit 127") };
    const guard = await GuardProcess.start(context, { scope: "host", policy: memory + LOADED, env });
    await cgroup.run(context, [
      ...qemu,
      "-drive",
      `if=floppy,format=raw,file=${busyFloppy(context)}`,
      "-boot",
      "a",
    ]);
    expect(await report(guard, "freeze")).toMatchObject({ subject: cgroup.scope, outcome: "done" });
    await waitFor("it to be frozen", isFrozen);
    reload(guard, memory + IDLE);
    expect(await report(guard, "resume")).toMatchObject({ outcome: "released" });
    await waitFor("it to go on", () => !isFrozen());
    reload(guard, memory + LOADED);
    await waitFor("it to be frozen again", isFrozen, MINUTE);
    await guard.stop("SIGKILL");
    await waitFor("the guardian to let it go on", () => !isFrozen());
  });
});
