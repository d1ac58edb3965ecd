import { WRAP_US } from "../parse/diskstats.ts";
import type { IoPolicy } from "../policy/resources.ts";
import type { Figures } from "../resources/resource.ts";
import { Io, IO_COLUMNS } from "./columns.ts";

/** A level begins at the policy's shares and ends below this part of them: it does not flutter about the line. */
const RECOVER = 0.8;
/** Below that for so many samples in a row, and the level ends. */
const CALM_SAMPLES = 2;
/** Counters of less time than this make no rates: a tick of the kernel's own clock is 1 to 10 ms. */
const SHORTEST_US = 20_000;
const US_PER_SECOND = 1e6;

/** What a block device does in a second, by the last two samples; NaN: not known. */
export class DeviceRates {
  readsPerSecond = Number.NaN;
  writesPerSecond = Number.NaN;
  readBytesPerSecond = Number.NaN;
  writtenBytesPerSecond = Number.NaN;
  /** Share of the time in which anything was under way. Of a device that does much at once it is 1 long before its limit. */
  busyShare = Number.NaN;
  /** Operations under way, on average. */
  queue = Number.NaN;
  /** From an operation's begin to its end, on average; NaN when there was none. */
  latencyUs = Number.NaN;
  /** Share of the time in which some task of the host waited for I/O. */
  stallShare = Number.NaN;

  get operationsPerSecond(): number {
    return this.readsPerSecond + this.writesPerSecond;
  }

  get bytesPerSecond(): number {
    return this.readBytesPerSecond + this.writtenBytesPerSecond;
  }

  /** As the record and `plimsoll status` have them. */
  figures(): Figures {
    return {
      busyShare: rounded(this.busyShare, 1000),
      stallShare: rounded(this.stallShare, 1000),
      operationsPerSecond: rounded(this.operationsPerSecond, 10),
      bytesPerSecond: rounded(this.bytesPerSecond, 1),
      queue: rounded(this.queue, 100),
      latencyUs: rounded(this.latencyUs, 1),
    };
  }
}

function rounded(value: number, parts: number): number | null {
  return Number.isFinite(value) ? Math.round(value * parts) / parts : null;
}

/** Difference of a counter that begins at 0 again after `wrap` (Infinity: never); NaN: it was set back. */
function grown(now: number, before: number, wrap: number): number {
  if (now >= before) return now - before;
  return before > wrap / 2 && now < wrap / 2 ? now + wrap - before : Number.NaN;
}

/** One device: its rates, and whether it is saturated while the host stalls. */
export class Device {
  readonly number: number;
  readonly rates = new DeviceRates();
  /** Null until it is told; rows may come before names. */
  name: string | null = null;
  /** The newest row. */
  readonly row = new Float64Array(IO_COLUMNS.length).fill(Number.NaN);
  /** The level stands. */
  saturated = false;
  #aboveSinceUs = Number.NaN;
  #calmSamples = 0;
  #test: { busyUs: number; stallUs: number; elapsedUs: number } | null = null;
  /** The sample after a test's begin is partly of before it. */
  #testBegins = false;

  constructor(number: number) {
    this.number = number;
  }

  get atUs(): number {
    return this.row[Io.timeUs] as number;
  }

  /** It stands, or may soon: who does it is looked at. */
  get near(): boolean {
    return this.saturated || !Number.isNaN(this.#aboveSinceUs) || this.#test !== null;
  }

  /** Takes in a row. @returns whether the level began or ended with it */
  sample(row: Float64Array, policy: IoPolicy): "began" | "ended" | null {
    const elapsedUs = (row[Io.timeUs] as number) - this.atUs;
    if (elapsedUs < SHORTEST_US) return null;
    this.#rate(row, elapsedUs);
    this.row.set(row);
    const { busyShare, stallShare } = this.rates;
    if (this.#testBegins) {
      this.#testBegins = false;
    } else if (this.#test !== null && !Number.isNaN(busyShare + stallShare)) {
      this.#test.busyUs += busyShare * elapsedUs;
      this.#test.stallUs += stallShare * elapsedUs;
      this.#test.elapsedUs += elapsedUs;
    }
    return this.#judge(policy);
  }

  /** Measures from now on. */
  beginTest(): void {
    this.#test = { busyUs: 0, stallUs: 0, elapsedUs: 0 };
    this.#testBegins = true;
  }

  /** For how long it has been measured. */
  get testedUs(): number {
    return this.#test?.elapsedUs ?? 0;
  }

  /** Whether it was saturated on the whole, measured since {@link beginTest}. */
  endTest(policy: IoPolicy): boolean {
    const test = this.#test;
    this.#test = null;
    if (test === null || test.elapsedUs === 0) return false;
    const { busyUs, stallUs, elapsedUs } = test;
    return busyUs >= policy.busyShare * elapsedUs && stallUs >= policy.stallShare * elapsedUs;
  }

  #judge(policy: IoPolicy): "began" | "ended" | null {
    const { busyShare, stallShare } = this.rates;
    const part = this.saturated || !Number.isNaN(this.#aboveSinceUs) ? RECOVER : 1;
    const above = busyShare >= policy.busyShare * part && stallShare >= policy.stallShare * part;
    if (this.saturated) {
      this.#calmSamples = above ? 0 : this.#calmSamples + 1;
      if (this.#calmSamples < CALM_SAMPLES) return null;
      this.saturated = false;
      this.#aboveSinceUs = Number.NaN;
      return "ended";
    }
    if (!above) {
      this.#aboveSinceUs = Number.NaN;
      return null;
    }
    if (Number.isNaN(this.#aboveSinceUs)) this.#aboveSinceUs = this.atUs;
    if (this.atUs - this.#aboveSinceUs < policy.forMs * 1000) return null;
    this.saturated = true;
    this.#calmSamples = 0;
    return "began";
  }

  #rate(now: Float64Array, elapsedUs: number): void {
    const { rates, row } = this;
    const of = (column: number, wrap: number): number =>
      grown(now[column] as number, row[column] as number, wrap);
    const perSecond = (column: number): number =>
      (of(column, Number.POSITIVE_INFINITY) / elapsedUs) * US_PER_SECOND;
    rates.readsPerSecond = perSecond(Io.reads);
    rates.writesPerSecond = perSecond(Io.writes);
    rates.readBytesPerSecond = perSecond(Io.readBytes);
    rates.writtenBytesPerSecond = perSecond(Io.writtenBytes);
    rates.busyShare = Math.min(1, of(Io.busyUs, WRAP_US) / elapsedUs);
    rates.queue = of(Io.weightedUs, WRAP_US) / elapsedUs;
    const operations = (rates.operationsPerSecond * elapsedUs) / US_PER_SECOND;
    const workedUs = of(Io.readUs, WRAP_US) + of(Io.writeUs, WRAP_US);
    rates.latencyUs = operations > 0 ? workedUs / operations : Number.NaN;
    rates.stallShare = Math.min(1, of(Io.someStallUs, Number.POSITIVE_INFINITY) / elapsedUs);
  }
}
