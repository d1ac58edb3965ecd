import type { LeverFile } from "../levers/lever.ts";
import type { IoLimits } from "./action.ts";

/** What a limit is written to on cgroup v1: a file each (blkio-controller.rst). */
const V1_FILES: readonly (readonly [limit: keyof IoLimits, file: LeverFile])[] = [
  ["readBytes", "blkio.throttle.read_bps_device"],
  ["writtenBytes", "blkio.throttle.write_bps_device"],
  ["reads", "blkio.throttle.read_iops_device"],
  ["writes", "blkio.throttle.write_iops_device"],
];
/** … and on v2: a word each of io.max, in the kernel's order (cgroup-v2.rst). */
const V2_WORDS: readonly (readonly [limit: keyof IoLimits, word: string])[] = [
  ["readBytes", "rbps"],
  ["writtenBytes", "wbps"],
  ["reads", "riops"],
  ["writes", "wiops"],
];

/** A file of a cgroup, and what it is to say for the device. */
export interface IoLeverValue {
  readonly file: LeverFile;
  readonly value: string;
}

/** The files in which a cgroup's limits of a device are. */
export function ioLeverFiles(version: 1 | 2): readonly LeverFile[] {
  return version === 2 ? ["io.max"] : V1_FILES.map(([, file]) => file);
}

/**
 * What is to be written so that a cgroup does no more than `limits`. A limit that is as low already is left as it is.
 * @param present what each of {@link ioLeverFiles} says of the device now; null: it cannot be read, and is left alone
 */
export function ioLeverValues(
  version: 1 | 2,
  limits: IoLimits,
  present: (file: LeverFile) => string | null,
): IoLeverValue[] {
  if (version === 1) {
    return V1_FILES.flatMap(([limit, file]) => {
      const wanted = limits[limit];
      const now = present(file);
      if (wanted === null || now === null || (now !== "0" && Number(now) <= wanted)) return [];
      return [{ file, value: String(wanted) }];
    });
  }
  const now = present("io.max");
  if (now === null) return [];
  const words = new Map(now.split(" ").map((word) => word.split("=") as [string, string]));
  const value = V2_WORDS.map(([limit, word]) => {
    const own = words.get(word) ?? "max";
    const wanted = limits[limit];
    const left = wanted === null || (own !== "max" && Number(own) <= wanted);
    return `${word}=${left ? own : wanted}`;
  }).join(" ");
  return value === now ? [] : [{ file: "io.max", value }];
}
