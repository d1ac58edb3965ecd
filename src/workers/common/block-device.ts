import fs from "node:fs";
import path from "node:path";
import { deviceNumber, majorMinor } from "../../core/parse/diskstats.ts";

/**
 * The number (major * 2^20 + minor) of a device as stat(2) gives it: 12 bits of the major and 8 of the minor lowest, the
 * rest of both above (makedev(3)).
 */
export function deviceOfStat(dev: number): number {
  const bits = BigInt(dev);
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & 0xfffff000n);
  const minor = (bits & 0xffn) | ((bits >> 12n) & 0xffffff00n);
  return deviceNumber(Number(major), Number(minor));
}

/**
 * The whole disk that a file lies on.
 * @returns null when it is on none that is one block device: memory, a network, btrfs, overlayfs
 */
export function diskOf(file: string, sysRoot: string): number | null {
  try {
    const device = deviceOfStat(fs.statSync(file).dev);
    const directory = fs.realpathSync(path.join(sysRoot, "dev/block", majorMinor(device)));
    if (!fs.existsSync(path.join(directory, "partition"))) return device;
    const [major, minor] = fs.readFileSync(path.join(directory, "../dev"), "utf8").trim().split(":");
    return deviceNumber(Number(major), Number(minor));
  } catch {
    return null;
  }
}
