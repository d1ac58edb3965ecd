import { startsWith } from "./bytes.ts";

const UNDER_OOM = new TextEncoder().encode("under_oom 1");
const NEWLINE = 10;

/** v1 memory.oom_control says `under_oom 1`: processes stand at the limit and wait (cgroup-v1/memory.rst, "OOM Control"). */
export function isUnderOom(bytes: Uint8Array, length: number): boolean {
  for (let at = 0; at < length; at++) {
    if (startsWith(bytes, at, length, UNDER_OOM)) return true;
    while (at < length && bytes[at] !== NEWLINE) at++;
  }
  return false;
}
