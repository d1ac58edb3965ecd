import { Cpu } from "./columns.ts";

const US_PER_MS = 1000;

/** What the processors' use is judged by, at the last sample. Shares are 0 to 1. */
export interface Load {
  readonly timeUs: number;
  /** Of all processors, since the sample before, and as an average over the window. */
  readonly busyShare: number;
  readonly averageShare: number;
  /** Mean of the last `inARow` samples; NaN before there are so many. */
  readonly recentShare: number;
  /** The busiest one's. */
  readonly coreMaxShare: number;
  /** Processors online. */
  readonly cores: number;
  /** Tasks that run or could, and the average of that as of the use. */
  readonly running: number;
  readonly averageRunning: number;
  readonly blocked: number;
  /** Time in which some task waited for a processor (PSI cpu, some); NaN without PSI. */
  readonly stallShare: number;
  /** Samples since the first. */
  readonly samples: number;
}

interface MeterTerms {
  readonly intervalMs: number;
  /** Weight of a new sample: 2 / (window + 1). */
  readonly window: number;
  readonly inARow: number;
}

interface Counters {
  busyUs: number;
  totalUs: number;
  tick: number;
}

/**
 * From counters of processors to shares of them and an average.
 *
 * The average is an exponentially weighted mean of the samples there have been: its weights are those of an EWMA, and
 * their sum is brought to 1. So it begins with the first sample, needs no ten zeros before it, and one second of load
 * followed by none counts as one of two, not as all there ever was. A sample that stands for a longer time than the
 * interval (the sampler was late, or was begun anew) has the weight of as many.
 */
export class LoadMeter {
  readonly #cores = new Map<number, Counters>();
  #all: Counters | null = null;
  #timeUs = Number.NaN;
  #stallUs = Number.NaN;
  #tick = 0;
  #busySum = 0;
  #runningSum = 0;
  #weight = 0;
  #samples = 0;
  #coreMaxShare = 0;
  #recent: number[] = [];

  /** One processor's row; they come before the row of all. */
  core(frame: Float64Array): void {
    const number = frame[Cpu.core] as number;
    const counters = read(frame, this.#tick + 1);
    const before = this.#cores.get(number);
    this.#cores.set(number, counters);
    // One that has just come online has no difference yet; its counters may have begun anew.
    if (before === undefined || before.tick !== this.#tick) return;
    const share = shareBetween(before, counters);
    if (share > this.#coreMaxShare) this.#coreMaxShare = share;
  }

  /** The row of all processors, which ends the tick. @returns null for the first, and for one of no elapsed time */
  all(frame: Float64Array, terms: MeterTerms): Load | null {
    this.#tick++;
    for (const [number, { tick }] of this.#cores) if (tick !== this.#tick) this.#cores.delete(number);
    const before = this.#all;
    const now = read(frame, this.#tick);
    const timeUs = frame[Cpu.timeUs] as number;
    const elapsedUs = timeUs - this.#timeUs;
    const stallUs = (frame[Cpu.someStallUs] as number) - this.#stallUs;
    const coreMaxShare = this.#coreMaxShare;
    this.#all = now;
    this.#timeUs = timeUs;
    this.#stallUs = frame[Cpu.someStallUs] as number;
    this.#coreMaxShare = 0;
    if (before === null || !(elapsedUs > 0)) return null;
    const busyShare = shareBetween(before, now);
    if (Number.isNaN(busyShare)) return null;
    const running = finite(frame[Cpu.running]);
    this.#average(busyShare, running, elapsedUs, terms);
    return {
      timeUs,
      busyShare,
      averageShare: this.#busySum / this.#weight,
      recentShare: this.#recentMean(busyShare, terms.inARow),
      coreMaxShare: Math.max(coreMaxShare, 0),
      cores: Math.max(1, this.#cores.size),
      running,
      averageRunning: this.#runningSum / this.#weight,
      blocked: finite(frame[Cpu.blocked]),
      stallShare: Math.min(1, Math.max(0, stallUs / elapsedUs)),
      samples: this.#samples,
    };
  }

  #average(busyShare: number, running: number, elapsedUs: number, { window, intervalMs }: MeterTerms): void {
    const intervals = Math.max(1, Math.min(Math.round(elapsedUs / (intervalMs * US_PER_MS)), window));
    const keep = ((window - 1) / (window + 1)) ** intervals;
    this.#busySum = this.#busySum * keep + busyShare * (1 - keep);
    this.#runningSum = this.#runningSum * keep + running * (1 - keep);
    this.#weight = this.#weight * keep + (1 - keep);
    this.#samples++;
  }

  #recentMean(busyShare: number, inARow: number): number {
    this.#recent.push(busyShare);
    while (this.#recent.length > inARow) this.#recent.shift();
    if (this.#recent.length < inARow) return Number.NaN;
    return this.#recent.reduce((sum, share) => sum + share, 0) / inARow;
  }
}

function read(frame: Float64Array, tick: number): Counters {
  const busyUs = frame[Cpu.busyUs] as number;
  return { busyUs, totalUs: busyUs + (frame[Cpu.idleUs] as number) + (frame[Cpu.ioWaitUs] as number), tick };
}

/** Counters of idle time may step back a little (proc_stat(5), iowait); NaN: no time has passed. */
function shareBetween(before: Counters, now: Counters): number {
  const busyUs = Math.max(0, now.busyUs - before.busyUs);
  const totalUs = Math.max(busyUs, now.totalUs - before.totalUs);
  return totalUs > 0 ? busyUs / totalUs : Number.NaN;
}

function finite(value: number | undefined): number {
  return value !== undefined && Number.isFinite(value) ? value : 0;
}
