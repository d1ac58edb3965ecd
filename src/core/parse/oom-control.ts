import { startsWith } from "./bytes.ts";

const encoder = new TextEncoder();
const UNDER_OOM = encoder.encode("under_oom 1");
const KILL_DISABLED = encoder.encode("oom_kill_disable 1");
const NEWLINE = 10;

/** v1 memory.oom_control says `under_oom 1`: processes stand at the limit and wait (cgroup-v1/memory.rst, "OOM Control"). */
export function isUnderOom(bytes: Uint8Array, length: number): boolean {
  return hasLine(bytes, length, UNDER_OOM);
}

/** v1 memory.oom_control says `oom_kill_disable 1`: who meets the limit waits there instead of being ended. */
export function isKillDisabled(bytes: Uint8Array, length: number): boolean {
  return hasLine(bytes, length, KILL_DISABLED);
}

function hasLine(bytes: Uint8Array, length: number, line: Uint8Array): boolean {
  for (let at = 0; at < length; at++) {
    if (startsWith(bytes, at, length, line)) return true;
    while (at < length && bytes[at] !== NEWLINE) at++;
  }
  return false;
}
