import fs from "node:fs";
import { Space, SPACE_COLUMNS } from "../../../core/disk/columns.ts";
import { Drain, LEAST_BYTES, LEAST_INODES } from "../../../core/disk/fill.ts";
import { nextLookMs } from "../../../core/disk/pace.ts";
import { type Lines, roomsByPath, type Rooms, setLines, usableBytes } from "../../../core/disk/rooms.ts";
import type { Mount } from "../../../core/parse/mountinfo.ts";
import type { Policy } from "../../../core/policy/policy.ts";
import type { DiskPolicy } from "../../../core/policy/resources.ts";
import type { NamedThing } from "../../../core/resources/resource.ts";
import { RingWriter } from "../../../core/ring/writer.ts";
import { Gauge } from "../../../core/shared/board.ts";
import type { WorkerContext } from "../../common/worker.ts";
import { AskedApart } from "./asked-apart.ts";
import { MountTable } from "./mount-table.ts";
import type { Announce, ResourceSampler } from "./resource-sampler.ts";

/** A mount that is asked apart and has not answered for so long does not answer: from then on its rows are null. */
const SILENT_US = 3_000_000;
/** Whoever is asked apart costs a process each time: not more often than this. */
const APART_INTERVAL_US = 1_000_000;
/** Nothing is asked. */
const NONE = 0;

/** One file system that is looked at. */
interface Watched {
  readonly mount: Mount;
  readonly remote: boolean;
  rooms: Rooms;
  readonly space: { readonly drain: Drain; readonly lines: Lines };
  readonly inodes: { readonly drain: Drain; readonly lines: Lines };
  /** Null: asked on this thread. */
  asker: AskedApart | null;
  askedUs: number;
  totalBytes: number;
}

/** Space and inodes of every file system that can run full: one row a mount a look, by statfs(2). */
export class SpaceSampler implements ResourceSampler {
  readonly #context: WorkerContext;
  readonly #announce: Announce;
  readonly #ring: RingWriter;
  readonly #frame = new Float64Array(SPACE_COLUMNS.length);
  #policy: DiskPolicy;
  #table: MountTable | null = null;
  #watched = new Map<number, Watched>();
  #intervalMs = Number.POSITIVE_INFINITY;
  /** With the next look all names are told again, as after a change of the policy. */
  #tellAll = false;

  constructor(context: WorkerContext, announce: Announce) {
    this.#context = context;
    this.#announce = announce;
    this.#ring = new RingWriter(context.start.resourceRings.disk);
    this.#policy = context.start.policy.disk;
    if (this.#policy.enabled) this.#open();
  }

  get intervalMs(): number {
    return this.#intervalMs;
  }

  sample(nowUs: number): void {
    const table = this.#table;
    if (table === null) return;
    if (table.refresh() || this.#tellAll) this.#follow();
    let nextMs = this.#policy.intervalMs;
    for (const watched of this.#watched.values()) nextMs = Math.min(nextMs, this.#look(watched, nowUs));
    this.#ring.commit();
    this.#intervalMs = nextMs;
  }

  takePolicy({ disk }: Policy): void {
    this.#policy = disk;
    if (!disk.enabled) return this.close();
    if (this.#table === null) this.#open();
    this.#intervalMs = disk.intervalMs;
    this.#tellAll = true;
  }

  close(): void {
    for (const { asker } of this.#watched.values()) asker?.close();
    if (this.#watched.size > 0) this.#announce([], [...this.#watched.keys()]);
    this.#watched = new Map();
    this.#table?.close();
    this.#table = null;
    this.#intervalMs = Number.POSITIVE_INFINITY;
  }

  #open(): void {
    this.#table = new MountTable(this.#context.start.roots.proc);
    // An earlier life of this thread did not come back from asking that mount.
    const hung = this.#context.board.gauge(Gauge.mountAsked);
    if (hung > NONE) this.#table.suspect(hung);
    this.#intervalMs = this.#policy.intervalMs;
  }

  /** Brings those that are watched in line with the mounts there are. */
  #follow(): void {
    const { local, apart } = (this.#table as MountTable).guarded;
    const roomsOf = roomsByPath(this.#policy);
    const before = this.#watched;
    const appeared: NamedThing[] = [];
    this.#watched = new Map();
    for (const mount of [...local, ...apart]) {
      const rooms = roomsOf(mount.path);
      if (rooms === null) continue;
      const remote = apart.includes(mount);
      const known = before.get(mount.id);
      if (known !== undefined && isSame(known.mount, mount) && known.remote === remote) {
        known.rooms = rooms;
        this.#watched.set(mount.id, known);
        before.delete(mount.id);
        if (!this.#tellAll) continue;
      } else {
        this.#watched.set(mount.id, watch(mount, rooms, remote));
      }
      appeared.push(thingOf(mount, remote));
    }
    this.#tellAll = false;
    for (const { asker } of before.values()) asker?.close();
    this.#announce(appeared, [...before.keys()]);
  }

  /** Looks at one file system and puts its row into the ring. @returns when it wants to be looked at again */
  #look(watched: Watched, nowUs: number): number {
    const frame = this.#frame;
    frame.fill(Number.NaN);
    const answered = watched.remote ? this.#askApart(watched, nowUs) : this.#ask(watched, nowUs);
    const { intervalMs, intervalMinMs } = this.#policy;
    if (!answered) return intervalMs;
    frame[Space.timeUs] = nowUs;
    frame[Space.mount] = watched.mount.id;
    this.#ring.put(frame);
    if (Number.isNaN(frame[Space.totalBytes] as number)) return intervalMs;
    const { rooms, space, inodes } = watched;
    const free = frame[Space.availableBytes] as number;
    const freeInodes = frame[Space.freeInodes] as number;
    setLines(space.lines, rooms.space, usableBytes(frame));
    setLines(inodes.lines, rooms.inodes, frame[Space.inodes] as number);
    space.drain.update(nowUs, free);
    inodes.drain.update(nowUs, freeInodes);
    return Math.min(
      nextLookMs(space.drain, free, space.lines, intervalMs, intervalMinMs),
      nextLookMs(inodes.drain, freeInodes, inodes.lines, intervalMs, intervalMinMs),
    );
  }

  /** @returns whether there is a row to write */
  #ask(watched: Watched, nowUs: number): boolean {
    const { board } = this.#context;
    const { mount } = watched;
    board.setGauge(Gauge.mountAsked, mount.id);
    try {
      const { bsize, blocks, bfree, bavail, files, ffree } = fs.statfsSync(mount.path);
      // Unmounted since the table was read: then the path is another file system's.
      if (blocks !== watched.totalBytes && !this.#confirms(watched, blocks)) return false;
      this.#fill(bsize, blocks, bfree, bavail, files, ffree);
    } catch {
      // Gone, or it fails (EIO, ESTALE): a row of nulls.
      return nowUs > 0;
    } finally {
      board.setGauge(Gauge.mountAsked, NONE);
    }
    return true;
  }

  /** A size that is new: is the mount still there? */
  #confirms(watched: Watched, blocks: number): boolean {
    watched.totalBytes = blocks;
    if ((this.#table as MountTable).refresh()) this.#follow();
    return this.#watched.get(watched.mount.id) === watched;
  }

  /** @returns whether there is a row to write: an answer, or that there has been none for long */
  #askApart(watched: Watched, nowUs: number): boolean {
    const asker = this.#askerOf(watched);
    if (asker === null) return true;
    const openUs = nowUs - asker.askedUs;
    const answer = asker.take();
    if (Number.isNaN(asker.askedUs) && nowUs - watched.askedUs >= APART_INTERVAL_US) {
      asker.ask(nowUs);
      watched.askedUs = nowUs;
    }
    if (answer === null) return openUs > SILENT_US;
    if (answer === "failed") return true;
    const { totalBytes, freeBytes, availableBytes, inodes, freeInodes } = answer;
    this.#fill(1, totalBytes, freeBytes, availableBytes, inodes, freeInodes);
    return true;
  }

  #askerOf(watched: Watched): AskedApart | null {
    if (watched.asker?.ended === true) {
      watched.asker.close();
      watched.asker = null;
    }
    try {
      watched.asker ??= new AskedApart(this.#context.start.roots.proc, watched.mount.path);
    } catch (error) {
      this.#context.log("warn", (error as Error).message);
    }
    return watched.asker;
  }

  #fill(
    unit: number,
    total: number,
    free: number,
    available: number,
    inodes: number,
    freeInodes: number,
  ): void {
    const frame = this.#frame;
    frame[Space.totalBytes] = total * unit;
    frame[Space.freeBytes] = free * unit;
    frame[Space.availableBytes] = available * unit;
    // No inodes at all: they are made as they are needed.
    frame[Space.inodes] = inodes === 0 ? Number.NaN : inodes;
    frame[Space.freeInodes] = inodes === 0 ? Number.NaN : freeInodes;
  }
}

function watch(mount: Mount, rooms: Rooms, remote: boolean): Watched {
  const room = (least: number) => ({
    drain: new Drain(least),
    lines: { low: Number.NaN, recover: Number.NaN },
  });
  return {
    mount,
    remote,
    rooms,
    space: room(LEAST_BYTES),
    inodes: room(LEAST_INODES),
    asker: null,
    askedUs: Number.NEGATIVE_INFINITY,
    totalBytes: Number.NaN,
  };
}

function isSame(a: Mount, b: Mount): boolean {
  return a.id === b.id && a.device === b.device && a.path === b.path && a.type === b.type;
}

function thingOf({ id, path, type, source, device }: Mount, remote: boolean): NamedThing {
  return { number: id, name: path, about: { type, source, device, remote: remote ? "yes" : "no" } };
}
