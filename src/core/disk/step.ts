import type { ResourceChange, ResourceReport, ResourceStatus } from "../resources/report.ts";
import type { NamedThing } from "../resources/resource.ts";
import type { DiskAction, FillerRung } from "./action.ts";
import { Space } from "./columns.ts";
import { mountFigures, roomFigures, whyLow } from "./numbers.ts";
import { setLines, usableBytes } from "./rooms.ts";
import { type DiskState, MountState, type RoomState } from "./state.ts";

/** After a ladder that helped nothing, and after one that was not meant to do anything. */
const RETRY_US = 10_000_000;
const SAME_AGAIN_US = 300_000_000;
/** Files that were looked for ahead are looked for again after this. */
const PREPARE_US = 10_000_000;
/** How near the low line files are looked for ahead: free is below the line by this much more. */
const NEAR_FACTOR = 1.25;

/** More mounts than this do not appear at once. */
const EARLY_MOST = 4096;

/** What a look brought. */
export interface DiskNews {
  readonly changes: readonly ResourceChange[];
  /** The mount has stopped to answer, or answers again. */
  readonly silence: "began" | "ended" | null;
}

const NO_NEWS: DiskNews = { changes: [], silence: null };

/** What the numbers in the ring mean from now on. */
export function takeNames(
  state: DiskState,
  appeared: readonly NamedThing[],
  gone: readonly number[],
): ResourceChange[] {
  const changes: ResourceChange[] = [];
  for (const number of gone) {
    const mount = state.mounts.get(number);
    if (mount === undefined) continue;
    for (const room of mount.rooms) {
      if (room.level.stands) changes.push(changeOf(mount, room, "ended", mount.timeUs));
    }
    state.mounts.delete(number);
  }
  for (const thing of appeared) {
    const known = state.mounts.get(thing.number);
    // All are told again when the policy changes.
    if (known?.ref.path === thing.name && known.ref.device === thing.about["device"]) continue;
    const mount = new MountState(thing);
    mount.asked = state.roomsOf(thing.name);
    state.mounts.set(thing.number, mount);
    const early = state.early.get(thing.number);
    if (early !== undefined) changes.push(...takeLook(state, early).changes);
  }
  state.early.clear();
  return changes;
}

/** Takes in one row of the ring ({@link Space}). */
export function takeLook(state: DiskState, frame: Float64Array): DiskNews {
  const number = frame[Space.mount] as number;
  const mount = state.mounts.get(number);
  if (mount === undefined) {
    // That one does not answer is told by its next row.
    const answered = !Number.isNaN(frame[Space.totalBytes] as number);
    if (answered && state.early.size < EARLY_MOST) state.early.set(number, frame.slice());
    return NO_NEWS;
  }
  const timeUs = frame[Space.timeUs] as number;
  mount.timeUs = timeUs;
  mount.frame.set(frame);
  const answered = !Number.isNaN(frame[Space.totalBytes] as number);
  const silence = answered === mount.silent ? (answered ? "ended" : "began") : null;
  mount.silent = !answered;
  // What is not known is no reason to act, nor for a level to end.
  if (!answered) return { changes: [], silence };
  const changes: ResourceChange[] = [];
  for (const room of mount.rooms) {
    const change = updateRoom(mount, room, timeUs);
    if (change !== null) changes.push(changeOf(mount, room, change, timeUs));
  }
  return { changes, silence };
}

function updateRoom(mount: MountState, room: RoomState, timeUs: number): "began" | "ended" | null {
  const { frame, asked } = mount;
  const ofSpace = room.name === "space";
  room.total = ofSpace ? usableBytes(frame) : (frame[Space.inodes] as number);
  room.free = frame[ofSpace ? Space.availableBytes : Space.freeInodes] as number;
  setLines(room.lines, asked === null ? null : ofSpace ? asked.space : asked.inodes, room.total);
  room.drain.update(timeUs, room.free);
  const { low, recover } = room.lines;
  const change = room.level.update(timeUs, room.free < low, !(room.free < recover), 0);
  if (change !== null) {
    room.rung = 0;
    room.helped = false;
    room.quietUntilUs = Number.NEGATIVE_INFINITY;
  }
  return change;
}

/** The next thing to do, if there is any. It is under way until {@link takeReport}. */
export function decide(state: DiskState, nowUs: number): DiskAction | null {
  if (!state.policy.enabled || state.inFlight !== null) return null;
  for (const mount of state.mounts.values()) {
    if (mount.silent) continue;
    for (const room of mount.rooms) {
      if (!room.level.stands || mount.timeUs <= room.lastEndUs || nowUs < room.quietUntilUs) continue;
      const action = nextAction(state, mount, room, nowUs);
      if (action === null) continue;
      state.inFlight = { id: action.id, mount, room };
      return action;
    }
  }
  return null;
}

function nextAction(state: DiskState, mount: MountState, room: RoomState, nowUs: number): DiskAction | null {
  const { ladder, places, abnormalFactor } = state.policy;
  const head = {
    resource: "disk" as const,
    subject: mount.ref.path,
    numbers: roomFigures(room),
    atUs: nowUs,
    dryRun: state.dryRun,
    mount: mount.ref,
    room: room.name,
    recover: room.lines.recover,
    why: whyLow(mount, room),
  };
  for (; room.rung < ladder.length; ) {
    const rung = ladder[room.rung] as (typeof ladder)[number];
    if (rung.action === "reclaim") {
      room.rung++;
      if (places.length === 0) continue;
      return { ...head, id: nextId(state), kind: "reclaim", places, deadlineMs: rung.deadlineMs };
    }
    const rungs: FillerRung[] = [];
    for (let next = ladder[room.rung]; next !== undefined && next.action !== "reclaim"; ) {
      rungs.push(next);
      next = ladder[++room.rung];
    }
    // The level is on record by itself: it is not worth a look at the processes where more is to come.
    if (room.rung < ladder.length && rungs.every(({ action }) => action === "log")) continue;
    const fillPerSecond = room.drain.perUs * 1e6;
    return { ...head, id: nextId(state), kind: "filler", rungs, fillPerSecond, abnormalFactor };
  }
  // All of it is done, and the level stands: from the beginning again, at once only where something helped.
  room.rung = 0;
  if (!room.helped) room.quietUntilUs = Math.max(room.quietUntilUs, nowUs + RETRY_US);
  room.helped = false;
  return null;
}

function nextId(state: DiskState): string {
  return `${state.idPrefix}-disk-${++state.actions}`;
}

/** What came of an action. */
export function takeReport(state: DiskState, report: ResourceReport, nowUs: number): void {
  if (report.id !== state.inFlight?.id) return;
  const { mount, room } = state.inFlight;
  state.inFlight = null;
  room.lastEndUs = nowUs;
  mount.lastAction = {
    verb: report.verb,
    target: report.target,
    outcome: report.outcome,
    wallMs: report.wallMs,
  };
  if (["done", "partly", "ended"].includes(report.outcome)) room.helped = true;
  if (report.outcome === "noted" || report.outcome === "dry-run")
    room.quietUntilUs = nowUs + quietUs(state, room);
}

/** What is only said is not said again soon; but the rest of its ladder comes first. */
function quietUs(state: DiskState, room: RoomState): number {
  return room.rung < state.policy.ladder.length ? 0 : SAME_AGAIN_US;
}

/** Whether files are to be looked for now, ahead of need. */
export function wantsPrepare(state: DiskState, nowUs: number): boolean {
  const { enabled, places, horizonMs } = state.policy;
  if (!enabled || places.length === 0 || nowUs - state.preparedUs < PREPARE_US) return false;
  for (const mount of state.mounts.values()) {
    if (mount.silent || mount.ref.remote) continue;
    for (const { free, lines, drain } of mount.rooms) {
      if (Number.isNaN(lines.low)) continue;
      const near = free < Math.max(lines.recover, lines.low * NEAR_FACTOR);
      if (!near && drain.timeToUseUs(free) / 1000 > horizonMs) continue;
      state.preparedUs = nowUs;
      return true;
    }
  }
  return false;
}

/** How every mount stands. */
export function statusOf(state: DiskState): ResourceStatus[] {
  return [...state.mounts.values()]
    .filter(({ asked }) => asked !== null)
    .map((mount) => {
      const leftUs = Math.min(...mount.rooms.map(({ drain, free }) => drain.timeToUseUs(free)));
      return {
        resource: "disk",
        subject: mount.ref.path,
        level: mount.rooms.some(({ level }) => level.stands) ? "critical" : "none",
        numbers: mountFigures(mount),
        timeToExhaustionMs: Number.isFinite(leftUs) ? Math.round(leftUs / 1000) : null,
        lastAction: mount.lastAction,
      };
    });
}

function changeOf(
  mount: MountState,
  room: RoomState,
  change: "began" | "ended",
  atUs: number,
): ResourceChange {
  return {
    resource: "disk",
    subject: mount.ref.path,
    level: "critical",
    change,
    atUs,
    numbers: roomFigures(room),
  };
}
