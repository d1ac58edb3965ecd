import { PollEvent, PollSet } from "../../../native/poll.ts";
import { Timer } from "../../../native/timer.ts";
import { clearEvent } from "../../../native/event.ts";
import { monotonicUs } from "../../common/clock.ts";
import type { WorkerContext } from "../../common/worker.ts";

/** Up to this interval the thread waits in the clock itself and says at each tick that it lives; beyond it, it rests. */
const BLOCK_US = 250_000;

const TIMER = 0;
const WAKE = 1;

/** What the sampler's wait ended with. */
export interface Tick {
  /** Ticks since the last wait; 0: a letter, or nothing at all. */
  readonly ticks: number;
  readonly wokenUs: number;
  /** How long after the tick it was woken. */
  readonly latenessUs: number;
}

/** The cgroup sampler's clock: a timerfd that is read at short intervals, and polled beside the letters' event at long ones. */
export class SamplerClock {
  readonly #context: WorkerContext;
  readonly #timer: Timer;
  readonly #poll = new PollSet(2);
  readonly #event: number;
  #intervalUs = 0;
  #tickUs = 0;

  constructor(context: WorkerContext) {
    const { cgroupsTimer, cgroupsEvent } = context.start.descriptors;
    this.#context = context;
    this.#timer = Timer.adopt(cgroupsTimer);
    this.#event = cgroupsEvent;
    this.#poll.set(TIMER, cgroupsTimer, PollEvent.in);
    this.#poll.set(WAKE, cgroupsEvent, PollEvent.in);
  }

  get intervalUs(): number {
    return this.#intervalUs;
  }

  /** When the next tick is due, if none is missed. */
  get nextUs(): number {
    return this.#tickUs + this.#intervalUs;
  }

  /** Ticks at once, and then every `intervalUs`; as before when that is its interval already. */
  set(intervalUs: number): void {
    if (this.#intervalUs === intervalUs) return;
    this.#intervalUs = intervalUs;
    this.#tickUs = monotonicUs() - intervalUs;
    this.#timer.set(intervalUs, 1);
  }

  wait(): Tick {
    const ticks = this.#intervalUs <= BLOCK_US ? this.#timer.wait() : this.#rest();
    const wokenUs = monotonicUs();
    this.#tickUs += ticks * this.#intervalUs;
    return { ticks, wokenUs, latenessUs: ticks === 0 ? 0 : Math.max(0, wokenUs - this.#tickUs) };
  }

  #rest(): number {
    this.#poll.wait(this.#context.rest());
    if (this.#poll.happened(WAKE) !== 0) clearEvent(this.#event);
    return this.#poll.happened(TIMER) === 0 ? 0 : this.#timer.wait();
  }
}
