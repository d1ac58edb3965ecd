import type { ActionHead } from "../resources/report.ts";

/** A block device, by the kernel's number (major * 2^20 + minor) and name. */
export interface BlockDevice {
  readonly number: number;
  readonly name: string;
}

/** The most a cgroup may do on one device in a second; null: no limit. Whole numbers. */
export interface IoLimits {
  readonly readBytes: number | null;
  readonly writtenBytes: number | null;
  readonly reads: number | null;
  readonly writes: number | null;
}

/** What a cgroup does on one device in a second. */
export interface IoLoad {
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly reads: number;
  readonly writes: number;
}

interface IoHead extends ActionHead {
  readonly resource: "io";
}

export type IoAction =
  /** Let a cgroup do no more than this on the device, and look whether that helps. */
  | (IoHead & {
      readonly kind: "throttle";
      readonly cgroup: string;
      readonly device: BlockDevice;
      readonly limits: IoLimits;
      /** What it did on the device in a second when that was decided. */
      readonly load: IoLoad;
      /** Those that were weighed and lost, in words. */
      readonly candidates: readonly string[];
      readonly deadlineMs: number;
    })
  /** Take that back: for good, or for a test of it. */
  | (IoHead & { readonly kind: "release"; readonly cgroup: string; readonly device: BlockDevice })
  /** Take back all there is: whoever imposed it is no more. */
  | (IoHead & { readonly kind: "release-all" })
  /** Run a command of the ladder's. */
  | (IoHead & { readonly kind: "command"; readonly command: string; readonly deadlineMs: number });

/** Limits in words, such as `1048576 bytes read/s, 20 writes/s`. */
export function describeLimits({ readBytes, writtenBytes, reads, writes }: IoLimits): string {
  const parts = [
    readBytes === null ? "" : `${readBytes} bytes read/s`,
    writtenBytes === null ? "" : `${writtenBytes} bytes written/s`,
    reads === null ? "" : `${reads} reads/s`,
    writes === null ? "" : `${writes} writes/s`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "no limit" : parts.join(", ");
}
