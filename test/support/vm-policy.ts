import fs from "node:fs";
import { MIB } from "./cgroup.ts";
import { PATIENCE } from "./wait.ts";

/** A line on available memory that nothing comes near. */
export const CALM = 'available = "16MiB"\nrecover = "32MiB"';

function availableBytes(): number {
  const found = /^MemAvailable:\s+(\d+) kB$/m.exec(fs.readFileSync("/proc/meminfo", "utf8"));
  return Number(found?.[1]) * 1024;
}

/** A line little enough above what is available that a hog is worth its end, and enough that others do not matter. */
export function lineAbove(): string {
  const nowBytes = availableBytes();
  return `available = "${nowBytes + 1024 * MIB}B"\nrecover = "${nowBytes + 1100 * MIB}B"`;
}

/**
 * A policy of the host by whose warning level processes are ended in one cgroup alone, whatever else there is.
 * @param scope the cgroup's path
 * @param vm lines of [vm]
 * @param warning the line: that of a level which stands, whatever is done, or {@link CALM}
 */
export function machinePolicy(scope: string, vm: string, warning: string = lineAbove()): string {
  // A guard at its highest priority that samples as often on a slow machine leaves virsh and libvirtd little of it.
  return `
[memory]
interval = "${50 * PATIENCE}ms"
critical = false
thrashing = false
[memory.warning]
${warning}
swap_free = false
for = "0s"
ladder = ["log", { action = "sigkill", deadline = "5s" }]
[victim]
minimum = "1MiB"
never = [{ cgroup = "(?!${scope}$).*", descendants = false }]
[vm]
enabled = true
interval = "1s"
${vm}
`;
}
