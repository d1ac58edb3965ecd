import type { Figures } from "../resources/resource.ts";
import { formatBytes } from "../units.ts";
import type { MountState, RoomState } from "./state.ts";

const US_PER_S = 1e6;

/** The figures of one room, for the record and for `plimsoll status`. */
export function roomFigures(room: RoomState): Figures {
  const { free, total, lines, drain } = room;
  const share = total > 0 ? rounded(free / total, 1e4) : null;
  const rate = rounded(drain.perUs * US_PER_S, 1);
  const fullMs = rounded(drain.timeToUseUs(free) / 1000, 1);
  return room.name === "space"
    ? {
        availableBytes: known(free),
        totalBytes: known(total),
        availableShare: share,
        lowBytes: known(lines.low),
        recoverBytes: known(lines.recover),
        fillBytesPerSecond: rate,
        timeToFullMs: fullMs,
      }
    : {
        freeInodes: known(free),
        inodes: known(total),
        freeInodesShare: share,
        lowInodes: known(lines.low),
        recoverInodes: known(lines.recover),
        fillInodesPerSecond: rate,
        timeToNoInodesMs: fullMs,
      };
}

export function mountFigures(mount: MountState): Figures {
  return Object.assign({}, ...mount.rooms.map(roomFigures)) as Figures;
}

/** Such as `4.0 MiB are available on /srv, below 10.0 MiB`. */
export function whyLow(mount: MountState, room: RoomState): string {
  const { free, lines, drain } = room;
  const inBytes = room.name === "space";
  const amount = (value: number): string => (inBytes ? formatBytes(value) : `${Math.round(value)} inodes`);
  const rate = drain.perUs * US_PER_S;
  const filling =
    rate === 0 ? "" : `, ${inBytes ? formatBytes(rate) : Math.round(rate)} a second are used up`;
  return `${amount(free)} are ${inBytes ? "available" : "free"} on ${mount.ref.path}, ${free < lines.low ? `below ${amount(lines.low)}` : `not yet ${amount(lines.recover)} again`}${filling}`;
}

function known(value: number): number | null {
  return Number.isNaN(value) ? null : Math.round(value);
}

function rounded(value: number, scale: number): number | null {
  return Number.isFinite(value) ? Math.round(value * scale) / scale : null;
}
