import fs from "node:fs";
import path from "node:path";
import type { Policy } from "../../core/policy/policy.ts";
import { GUARD_WORKERS, type WorkerName } from "../../core/shared/board.ts";

/** What of the host and of the guard decides whether a worker has anything to do. */
export interface Circumstances {
  /** There is a memory controller. */
  readonly cgroups: boolean;
  /** Limits may be moved. */
  readonly rescue: boolean;
  /** Libvirt's client is installed. */
  readonly virsh: boolean;
}

/** Which workers a policy asks for; lanes begin by themselves. */
export function wantedWorkers(policy: Policy, has: Circumstances): WorkerName[] {
  const { cgroups, rescue, scope, cpu, disk, io, net, vm, app } = policy;
  const rescues = rescue.cgroups.length > 0 && (has.rescue || policy.dryRun);
  const more: WorkerName[] = [];
  if (has.cgroups && (cgroups.enabled || rescues)) more.push("cgroups");
  if (has.cgroups && rescues) more.push("rescue");
  if (scope !== "host") return [...GUARD_WORKERS, ...more];
  if (cpu.enabled || disk.enabled || io.enabled || (net.enabled && net.rates !== null)) more.push("host");
  if (net.enabled) more.push("net");
  // A thread that could never do anything costs as much memory as any other.
  if (vm.enabled && (has.virsh || vm.qemuCgroups.length > 0)) more.push("vm");
  if (app.enabled) more.push("app");
  if (app.enabled && app.callbacksPath !== null) more.push("callbacks");
  return [...GUARD_WORKERS, ...more];
}

/** Whether a program is found as execvp(3) would. */
export function hasProgram(name: string, searchPath = process.env["PATH"] ?? ""): boolean {
  return searchPath.split(path.delimiter).some((directory) => {
    try {
      fs.accessSync(path.join(directory === "" ? "." : directory, name), fs.constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
