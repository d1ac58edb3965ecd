import fs from "node:fs";
import path from "node:path";

/** Bits of capabilities(7) that matter to the guard. */
export const Capability = { kill: 5, netAdmin: 12, ipcLock: 14, sysPtrace: 19, sysResource: 24 } as const;

/** The effective set of this process: CapEff of /proc/self/status, a bit mask in hex (proc(5)); none when unreadable. */
export function effectiveCapabilities(procRoot: string): bigint {
  try {
    const text = fs.readFileSync(path.join(procRoot, "self/status"), "latin1");
    const match = /^CapEff:\s+([0-9a-f]+)$/m.exec(text);
    return match === null ? 0n : BigInt(`0x${match[1]}`);
  } catch {
    return 0n;
  }
}

export function holds(capabilities: bigint, bit: number): boolean {
  return ((capabilities >> BigInt(bit)) & 1n) === 1n;
}
