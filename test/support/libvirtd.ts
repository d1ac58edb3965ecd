import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { TestContext } from "vitest";
import { testDirectory } from "./guard.ts";
import { waitFor } from "./wait.ts";

export const SYSTEM_URI = "qemu:///system";

/** One command of virsh to the real libvirt. */
export function ask(...command: string[]): { readonly ok: boolean; readonly output: string } {
  return askWithin(60_000, ...command);
}

function askWithin(
  timeoutMs: number,
  ...command: string[]
): { readonly ok: boolean; readonly output: string } {
  const args = ["--quiet", "--connect", SYSTEM_URI, ...command];
  const { status, stdout, stderr } = spawnSync("virsh", args, { encoding: "utf8", timeout: timeoutMs });
  return { ok: status === 0, output: `${stdout ?? ""}${stderr ?? ""}`.trim() };
}

const programs = ["libvirtd", "virtlogd", "virsh", "qemu-system-x86_64"];

/** Debian: libvirt-daemon-system, libvirt-clients, qemu-system-x86. */
export function libvirtd(): string | null {
  const missing = programs.filter((name) => spawnSync("/bin/sh", ["-c", `command -v ${name}`]).status !== 0);
  if (missing.length > 0) return `needs ${missing.join(", ")} (libvirt-daemon-system, qemu-system-x86)`;
  const { ok, output } = ask("list", "--all", "--name");
  // A guard that is tried on real machines of others would hibernate them.
  return ok && output !== "" ? `needs a libvirt without domains of others, found ${output}` : null;
}

/** Daemons of the test's own, unless a libvirt answers already. */
export async function startLibvirt(context: TestContext): Promise<void> {
  // Who asks while it starts may never be answered: asked again, it is.
  const isThere = (): boolean => askWithin(5000, "version").ok;
  if (isThere()) return;
  fs.mkdirSync("/run/libvirt", { recursive: true });
  for (const name of ["virtlogd", "libvirtd"]) {
    const child = spawn(name, [], { stdio: "ignore" });
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    context.onTestFinished(async () => {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
      await ended;
      clearTimeout(timer);
    });
  }
  await waitFor("libvirtd to answer", isThere, 90_000);
}

/** A guest that counts for ever: a boot sector of two bytes (jmp to itself), on a floppy disk. */
export function busyFloppy(context: TestContext): string {
  const sector = Buffer.alloc(1440 * 1024);
  sector.set([0xeb, 0xfe]);
  sector.set([0x55, 0xaa], 510);
  const file = path.join(testDirectory(context), "floppy.img");
  fs.writeFileSync(file, sector);
  // QEMU may run as another user.
  fs.chmodSync(path.dirname(file), 0o755);
  fs.chmodSync(file, 0o666);
  return file;
}

/** A running domain of real QEMU, emulated; gone after the test. */
export async function startGuest(context: TestContext, name: string, memoryMiB: number): Promise<void> {
  const xml = path.join(testDirectory(context), "guest.xml");
  fs.writeFileSync(
    xml,
    `<domain type='qemu'><name>${name}</name><memory unit='MiB'>${memoryMiB}</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='fd'/></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='floppy'><source file='${busyFloppy(context)}'/><target dev='fda'/></disk></devices></domain>`,
  );
  context.onTestFinished(() => {
    ask("destroy", name);
    ask("undefine", "--managed-save", name);
  });
  for (const command of [
    ["define", xml],
    ["start", name],
  ]) {
    const { ok, output } = ask(...command);
    if (!ok) throw new Error(`virsh ${command.join(" ")}: ${output}`);
  }
}

export function stateOf(name: string): string {
  return ask("domstate", name).output;
}
