import type { SharedRing } from "../../../core/ring/views.ts";
import { RingWriter } from "../../../core/ring/writer.ts";
import { MEMORY_COLUMNS, Mem } from "../../../core/samples.ts";
import { monotonicUs } from "../../common/clock.ts";
import { HostMemoryReader } from "../memory/host-reader.ts";

/** A segment is sealed before its rows are 400 ms old, if no tick is late: the dataset's writer takes sealed ones only. */
const SEAL_US = 350_000;

/** Seals a ring's open segment in time. */
class TimelySeal {
  readonly #writer: RingWriter;
  #rows = 0;
  #sinceUs = 0;

  constructor(writer: RingWriter) {
    this.#writer = writer;
  }

  /** To be called at both ends of each tick. @param nextUs when rows may come again */
  look(nowUs: number, nextUs: number): void {
    const { rows } = this.#writer;
    if (rows === 0) return;
    // Fewer than before: a full segment was sealed meanwhile, and these are of this tick.
    if (this.#rows === 0 || rows < this.#rows) this.#sinceUs = nowUs;
    this.#rows = rows;
    if (nextUs - this.#sinceUs >= SEAL_US) this.seal();
  }

  seal(): void {
    if (this.#writer.rows > 0) this.#writer.seal();
    this.#rows = 0;
  }
}

/** What recording asks for beside the cgroups' rows: the host's memory with the clock's account, segments sealed in time. */
export class Recording {
  readonly #reader: HostMemoryReader;
  readonly #memory: RingWriter;
  readonly #frame = new Float64Array(MEMORY_COLUMNS.length);
  readonly #seals: readonly TimelySeal[];
  #missedTicks = 0;
  #latenessUs = 0;
  #costUs = 0;
  /** From when on the tick's cost has not been counted. */
  #uncountedUs = 0;

  /** @throws as fs.openSync does when /proc/meminfo or /proc/vmstat is not there */
  constructor(procRoot: string, memoryRing: SharedRing, others: readonly RingWriter[]) {
    this.#reader = new HostMemoryReader(procRoot);
    this.#memory = new RingWriter(memoryRing);
    this.#seals = [this.#memory, ...others].map((writer) => new TimelySeal(writer));
  }

  /** Takes down what a tick is like; told in the next row: ticks missed and costs summed, the worst lateness. */
  tick(missedTicks: number, latenessUs: number, wokenUs: number): void {
    this.#missedTicks += missedTicks;
    this.#latenessUs = Math.max(this.#latenessUs, latenessUs);
    this.#uncountedUs = wokenUs;
    // A late tick's rows do not make an old segment older still.
    for (const seal of this.#seals) seal.look(wokenUs, wokenUs);
  }

  /** A row of the host's memory, at `timeUs`. */
  readMemory(timeUs: number): void {
    const frame = this.#frame;
    this.#reader.read(frame);
    this.#countCost(monotonicUs());
    frame[Mem.timeUs] = timeUs;
    frame[Mem.missedTicks] = this.#missedTicks;
    frame[Mem.latenessUs] = this.#latenessUs;
    frame[Mem.costUs] = this.#costUs;
    this.#memory.append(frame);
    this.#missedTicks = 0;
    this.#latenessUs = 0;
    this.#costUs = 0;
  }

  /** The tick is over. @param nextUs when the next one is */
  finish(nextUs: number): void {
    const nowUs = monotonicUs();
    this.#countCost(nowUs);
    for (const seal of this.#seals) seal.look(nowUs, nextUs);
  }

  #countCost(nowUs: number): void {
    this.#costUs += nowUs - this.#uncountedUs;
    this.#uncountedUs = nowUs;
  }

  /** Seals what is open. */
  close(): void {
    for (const seal of this.#seals) seal.seal();
    this.#reader.close();
  }
}
