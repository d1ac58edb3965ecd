import fs from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { RoomName } from "../../../core/disk/action.ts";
import { isRemote } from "../../../core/disk/mounts.ts";
import type { WriterFigures } from "../../../core/disk/filler.ts";
import { parseMountinfo } from "../../../core/parse/mountinfo.ts";
import type { ProcessRow } from "../../../core/victim/candidate.ts";
import { Creations } from "../../../native/creations.ts";
import { monotonicUs } from "../../common/clock.ts";
import { writtenBy } from "./writers.ts";

/** How long processes are watched. */
const WATCH_MS = 300;
/** The kernel's queue of events is emptied so often. */
const DRAIN_MS = 5;
/** What was counted before is a beginning to measure from, this long. */
const BASELINE_US = 120_000_000;
const BLOCK_BYTES = 512;
const US_PER_S = 1e6;

/** Counters of one process. */
interface Counted {
  readonly startTicks: number;
  readonly written: number;
  readonly atUs: number;
}

interface Mounted {
  readonly path: string;
  /** Of its files. */
  readonly device: number;
  readonly type: string;
}

/** Sees who writes on a mount: what each process has written by its own counters, and what files it has open there. */
export class Writing {
  readonly #procRoot: string;
  /** Ids of mounts that may hang. */
  #remote: ReadonlySet<number> = new Set();
  #baseline = new Map<number, Counted>();
  #baselineUs = Number.NEGATIVE_INFINITY;

  constructor(procRoot: string) {
    this.#procRoot = procRoot;
  }

  /** Remembers what everybody has written so far, to measure from when it is needed. */
  prepare(): void {
    const nowUs = monotonicUs();
    if (nowUs - this.#baselineUs < BASELINE_US) return;
    this.#baselineUs = nowUs;
    this.#baseline = new Map();
    for (const name of fs.readdirSync(this.#procRoot)) {
      if (!/^\d+$/.test(name)) continue;
      const written = this.#written(Number(name), false);
      if (written !== null)
        this.#baseline.set(Number(name), { startTicks: Number.NaN, written, atUs: nowUs });
    }
  }

  /** Watches for a moment. @param nowTicks ticks after boot, of which `ticksPerSecond` are a second */
  async watch(
    mount: Mounted,
    room: RoomName,
    rows: readonly ProcessRow[],
    { nowTicks, ticksPerSecond }: { readonly nowTicks: number; readonly ticksPerSecond: number },
  ): Promise<WriterFigures[]> {
    this.#remote = remoteMounts(this.#procRoot);
    const creations = room === "inodes" ? Creations.watch(mount.path) : null;
    const counting = creations instanceof Creations ? creations : null;
    // What is in memory alone is in no count of what goes to a disk.
    const anyWrite = mount.type === "tmpfs" || room === "inodes";
    const first = rows.map((row) => this.#look(row, mount, anyWrite));
    const untilMs = performance.now() + WATCH_MS;
    while (performance.now() < untilMs) {
      await pause(DRAIN_MS);
      counting?.take();
    }
    counting?.close();
    return rows.flatMap((row, i): WriterFigures[] => {
      const before = first[i] as Seen;
      const after = this.#look(row, mount, anyWrite);
      if (before.written === null || after.written === null) return [];
      const ageSeconds = Math.max(0.01, (nowTicks - row.startTicks) / ticksPerSecond);
      const made = counting?.counts.get(row.pid) ?? 0;
      const figures = { pid: row.pid, startTicks: row.startTicks, ageSeconds };
      const seconds = (after.atUs - before.atUs) / US_PER_S;
      if (counting !== null) {
        const files = made > 0 ? [`made ${made} files in ${Math.round(seconds * 1000)} ms`] : [];
        return [{ ...figures, perSecond: made / seconds, lifePerSecond: null, growthPerSecond: 0, files }];
      }
      return [
        {
          ...figures,
          ...this.#rates(row, before, after, ageSeconds, anyWrite),
          files: after.files.map(({ path }) => path),
        },
      ];
    });
  }

  #rates(
    row: ProcessRow,
    before: Seen,
    after: Seen,
    ageSeconds: number,
    anyWrite: boolean,
  ): Pick<WriterFigures, "perSecond" | "lifePerSecond" | "growthPerSecond"> {
    const seconds = (after.atUs - before.atUs) / US_PER_S;
    const [from, to] = [before.written as number, after.written as number];
    const now = (to - from) / seconds;
    const base = anyWrite ? undefined : this.#baseline.get(row.pid);
    // Of another process that had its number, it would be more than this one has.
    const since =
      base === undefined || base.written > to
        ? 0
        : (to - base.written) / ((after.atUs - base.atUs) / US_PER_S);
    let grown = 0;
    for (const file of after.files) {
      const earlier = before.files.find(({ key }) => key === file.key);
      grown += Math.max(0, file.bytes - (earlier?.bytes ?? 0));
    }
    const start = base === undefined ? from : base.written;
    return {
      // One that stands before a full disk writes no more: what it did in its life, and lately, counts too.
      perSecond: Math.max(now, since, ageSeconds < 600 ? to / ageSeconds : 0),
      lifePerSecond: start / ageSeconds,
      growthPerSecond: grown / seconds,
    };
  }

  #look(row: ProcessRow, mount: Mounted, anyWrite: boolean): Seen {
    const written = row.kernelThread ? null : this.#written(row.pid, anyWrite);
    const files = written === null || written === 0 ? [] : this.#filesOn(row.pid, mount.device);
    return { written, atUs: monotonicUs(), files };
  }

  /** Bytes it has caused to be written (proc_pid_io(5)), less what it made undone; or by write(2), to wherever. */
  #written(pid: number, anyWrite: boolean): number | null {
    try {
      const text = fs.readFileSync(`${this.#procRoot}/${pid}/io`, "latin1");
      const value = (key: string): number => Number(new RegExp(`^${key}: (\\d+)$`, "m").exec(text)?.[1] ?? 0);
      return anyWrite ? value("wchar") : Math.max(0, value("write_bytes") - value("cancelled_write_bytes"));
    } catch {
      return null;
    }
  }

  #filesOn(pid: number, device: number): OpenOn[] {
    return writtenBy(this.#procRoot, pid).flatMap(({ descriptor, mount }) => {
      // To ask a file there might never end.
      if (this.#remote.has(mount)) return [];
      const link = `${this.#procRoot}/${pid}/fd/${descriptor}`;
      try {
        const path = fs.readlinkSync(link);
        // Pipes, sockets and what else has no path; and what is another file system's own.
        if (!path.startsWith("/")) return [];
        const stat = fs.statSync(link);
        if (stat.dev !== device || !stat.isFile()) return [];
        return [{ path, key: `${descriptor}:${stat.ino}`, bytes: stat.blocks * BLOCK_BYTES }];
      } catch {
        return [];
      }
    });
  }
}

function remoteMounts(procRoot: string): Set<number> {
  const bytes = fs.readFileSync(`${procRoot}/self/mountinfo`);
  return new Set(
    parseMountinfo(bytes, bytes.length)
      .filter(({ type }) => isRemote(type))
      .map(({ id }) => id),
  );
}

interface OpenOn {
  readonly path: string;
  readonly key: string;
  readonly bytes: number;
}

interface Seen {
  /** Null: it is gone, or may not be looked at. */
  readonly written: number | null;
  readonly atUs: number;
  readonly files: readonly OpenOn[];
}
