import fs from "node:fs";
import path from "node:path";
import { compilePatterns } from "../../../core/cgroups/pattern.ts";
import { IO_COLUMNS, Io } from "../../../core/io/columns.ts";
import { Disk, majorMinor } from "../../../core/parse/diskstats.ts";
import { parsePressure } from "../../../core/parse/pressure.ts";
import type { IoPolicy } from "../../../core/policy/resources.ts";
import type { Policy } from "../../../core/policy/policy.ts";
import type { NamedThing } from "../../../core/resources/resource.ts";
import { RingWriter } from "../../../core/ring/writer.ts";
import { HeldFile } from "../../common/held-file.ts";
import { SYS_ROOT } from "../../common/roots.ts";
import type { WorkerContext } from "../../common/worker.ts";
import { type DiskLine, DiskLines } from "./disk-lines.ts";
import { DiskstatsFile } from "./diskstats-file.ts";
import type { Announce, ResourceSampler } from "./resource-sampler.ts";

/** Memory that looks like a disk. */
const RAM = /^z?ram\d+$/;

type TakeRow = (line: DiskLine, frame: Float64Array) => void;

/** Reads the host's block devices and PSI io: two files, a row a device. */
export class IoReader {
  readonly #disks: DiskstatsFile;
  readonly #pressure: HeldFile | null;
  readonly #lines: DiskLines;
  readonly #row: TakeRow;
  readonly #frame = new Float64Array(IO_COLUMNS.length);

  /**
   * @param devices patterns of names (`*`, `?`)
   * @param row takes each device's row; the frame is the next one's too
   * @throws as fs.openSync does when there is no diskstats; a kernel without PSI is taken as it is
   */
  constructor(procRoot: string, sysRoot: string, devices: readonly string[], row: TakeRow) {
    this.#row = row;
    // The patterns are those of one name of a cgroup's path.
    const named = compilePatterns(devices.map((pattern) => `/${pattern}`));
    this.#disks = new DiskstatsFile(procRoot);
    this.#pressure = HeldFile.tryOpen(path.join(procRoot, "pressure/io"), 512);
    this.#lines = new DiskLines((device, name) => {
      if (RAM.test(name) || !named(`/${name.replaceAll("/", "!")}`)) return false;
      return !fs.existsSync(path.join(sysRoot, "dev/block", majorMinor(device), "partition"));
    });
  }

  /** @returns whether the devices are those of the last read */
  read(nowUs: number): boolean {
    const frame = this.#frame;
    const length = this.#disks.read();
    frame[Io.timeUs] = nowUs;
    if (this.#pressure === null) {
      frame.fill(Number.NaN, Io.someStallUs, Io.fullStallUs + 1);
    } else {
      parsePressure(this.#pressure.bytes, this.#pressure.read(), frame, Io.someStallUs);
    }
    return this.#lines.walk(this.#disks.bytes, length, this.#found);
  }

  readonly #found = (line: DiskLine, values: Float64Array): void => {
    const frame = this.#frame;
    frame[Io.device] = values[Disk.device] as number;
    frame[Io.reads] = values[Disk.reads] as number;
    frame[Io.readBytes] = values[Disk.readBytes] as number;
    frame[Io.readUs] = values[Disk.readUs] as number;
    frame[Io.writes] = values[Disk.writes] as number;
    frame[Io.writtenBytes] = values[Disk.writtenBytes] as number;
    frame[Io.writeUs] = values[Disk.writeUs] as number;
    frame[Io.inFlight] = values[Disk.inFlight] as number;
    frame[Io.busyUs] = values[Disk.busyUs] as number;
    frame[Io.weightedUs] = values[Disk.weightedUs] as number;
    this.#row(line, frame);
  };

  takeGone(): DiskLine[] {
    return this.#lines.takeGone();
  }

  close(): void {
    this.#disks.close();
    this.#pressure?.close();
  }
}

/** Samples block devices into the ring of the resource `io`. */
export class IoSampler implements ResourceSampler {
  readonly #context: WorkerContext;
  readonly #announce: Announce;
  readonly #ring: RingWriter;
  readonly #sysRoot: string;
  #policy: IoPolicy;
  #reader: IoReader | null = null;
  readonly #appeared: NamedThing[] = [];
  readonly #announced = new Set<number>();
  /** Announced by an earlier reader, and perhaps not by this one. */
  readonly #before = new Set<number>();

  constructor(context: WorkerContext, announce: Announce, sysRoot: string = SYS_ROOT) {
    this.#context = context;
    this.#announce = announce;
    this.#ring = new RingWriter(context.start.resourceRings.io);
    this.#sysRoot = sysRoot;
    this.#policy = context.start.policy.io;
    this.#open();
  }

  get intervalMs(): number {
    return this.#reader === null ? Number.POSITIVE_INFINITY : this.#policy.intervalMs;
  }

  sample(nowUs: number): void {
    if (this.#reader === null) return;
    const same = this.#reader.read(nowUs);
    // Names before numbers: nobody shall see a row and not know whose it is.
    if (!same || this.#appeared.length > 0) this.#tellNames(this.#reader);
    this.#ring.commit();
  }

  #tellNames(reader: IoReader): void {
    const gone = reader.takeGone().flatMap(({ device, announced }) => (announced ? [device] : []));
    const appeared = this.#appeared.splice(0);
    // What the policy no longer asks for is gone too.
    const leftOut = [...this.#before].filter((device) => !this.#announced.has(device));
    this.#before.clear();
    const anew = new Set(appeared.map(({ number }) => number));
    for (const device of gone) if (!anew.has(device)) this.#announced.delete(device);
    this.#announce(appeared, [...gone, ...leftOut]);
  }

  /** A new reader tells of every device anew. */
  takePolicy(policy: Policy): void {
    this.#policy = policy.io;
    this.close();
    for (const device of this.#announced) this.#before.add(device);
    this.#announced.clear();
    this.#open();
    if (this.#reader !== null) return;
    this.#announce([], [...this.#before]);
    this.#before.clear();
  }

  close(): void {
    this.#reader?.close();
    this.#reader = null;
  }

  readonly #row = (line: DiskLine, frame: Float64Array): void => {
    if (!line.announced) {
      line.announced = true;
      this.#announced.add(line.device);
      const { device, name } = line;
      this.#appeared.push({ number: device, name, about: { device: majorMinor(device) } });
    }
    this.#ring.put(frame);
  };

  #open(): void {
    if (!this.#policy.enabled) return;
    try {
      this.#reader = new IoReader(
        this.#context.start.roots.proc,
        this.#sysRoot,
        this.#policy.devices,
        this.#row,
      );
    } catch (error) {
      this.#context.log(
        "warn",
        `I/O is not sampled: expected /proc/diskstats, found ${(error as Error).message}`,
      );
    }
  }
}
