import { Level } from "../memory/level.ts";
import type { DiskPolicy } from "../policy/resources.ts";
import type { ResourceStatus } from "../resources/report.ts";
import type { NamedThing } from "../resources/resource.ts";
import type { MountRef, RoomName } from "./action.ts";
import { SPACE_COLUMNS } from "./columns.ts";
import { Drain, LEAST_BYTES, LEAST_INODES } from "./fill.ts";
import { type Lines, roomsByPath, type Rooms } from "./rooms.ts";

/** How one room of a mount stands. */
export class RoomState {
  readonly name: RoomName;
  readonly drain: Drain;
  readonly level = new Level();
  readonly lines: Lines = { low: Number.NaN, recover: Number.NaN };
  /** Of the last look; NaN: not known, or without bound. */
  free = Number.NaN;
  total = Number.NaN;
  /** The next rung of the ladder, while the level stands. */
  rung = 0;
  /** Something that was done since the ladder's beginning has helped. */
  helped = false;
  /** Nothing is decided on looks from before this. */
  lastEndUs = Number.NEGATIVE_INFINITY;
  /** Not before this is the ladder begun anew. */
  quietUntilUs = Number.NEGATIVE_INFINITY;

  constructor(name: RoomName) {
    this.name = name;
    this.drain = new Drain(name === "space" ? LEAST_BYTES : LEAST_INODES);
  }
}

/** How one mount stands. */
export class MountState {
  readonly number: number;
  readonly ref: MountRef;
  readonly rooms: readonly RoomState[] = [new RoomState("space"), new RoomState("inodes")];
  readonly frame = new Float64Array(SPACE_COLUMNS.length).fill(Number.NaN);
  /** What the policy asks of it; null: nothing. */
  asked: Rooms | null = null;
  timeUs = Number.NaN;
  /** It does not answer, and that is on record. */
  silent = false;
  lastAction: ResourceStatus["lastAction"] = null;

  constructor({ number, name, about }: NamedThing) {
    this.number = number;
    this.ref = {
      path: name,
      device: about["device"] ?? "",
      type: about["type"] ?? "",
      remote: about["remote"] === "yes",
    };
  }
}

/** What the analysis of file systems remembers from look to look. */
export class DiskState {
  readonly idPrefix: string;
  readonly mounts = new Map<number, MountState>();
  policy: DiskPolicy;
  dryRun: boolean;
  roomsOf: (path: string) => Rooms | null;
  /** The action that is under way: one at a time. */
  inFlight: { readonly id: string; readonly mount: MountState; readonly room: RoomState } | null = null;
  /** The last look at mounts whose names are still on their way here. */
  readonly early = new Map<number, Float64Array>();
  actions = 0;
  preparedUs = Number.NEGATIVE_INFINITY;

  constructor(policy: DiskPolicy, dryRun: boolean, idPrefix: string) {
    this.policy = policy;
    this.dryRun = dryRun;
    this.idPrefix = idPrefix;
    this.roomsOf = roomsByPath(policy);
  }

  /** From the next look on another policy counts. Levels that stand, stand on. */
  adopt(policy: DiskPolicy, dryRun: boolean): void {
    this.policy = policy;
    this.dryRun = dryRun;
    this.roomsOf = roomsByPath(policy);
    for (const mount of this.mounts.values()) mount.asked = this.roomsOf(mount.ref.path);
  }
}
