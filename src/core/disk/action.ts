import type { DiskRung, PlaceRule } from "../policy/resources.ts";
import type { ActionHead } from "../resources/report.ts";

/** What of a file system runs out. */
export type RoomName = "space" | "inodes";

/** The mount it is about. */
export interface MountRef {
  readonly path: string;
  /** `8:1`, as in mountinfo. */
  readonly device: string;
  readonly type: string;
  /** Behind it is a server or a process that may never answer. */
  readonly remote: boolean;
}

interface DiskHead extends ActionHead {
  readonly resource: "disk";
  readonly mount: MountRef;
  readonly room: RoomName;
  /** Enough is free from this on: bytes, or inodes. */
  readonly recover: number;
}

export type FillerRung = Exclude<DiskRung, { readonly action: "reclaim" }>;

export type DiskAction =
  /** Remove listed files until enough is free. */
  | (DiskHead & {
      readonly kind: "reclaim";
      readonly places: readonly PlaceRule[];
      readonly deadlineMs: number;
    })
  /** Find who fills the mount, and climb the ladder for it. */
  | (DiskHead & {
      readonly kind: "filler";
      readonly rungs: readonly FillerRung[];
      /** How fast it fills, a second: bytes, or inodes. */
      readonly fillPerSecond: number;
      readonly abnormalFactor: number;
    });
