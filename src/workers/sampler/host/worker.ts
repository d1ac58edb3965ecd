import type { Message } from "../../../core/messages.ts";
import type { NamedThing, Resource } from "../../../core/resources/resource.ts";
import { Gauge } from "../../../core/shared/board.ts";
import { clearEvent } from "../../../native/event.ts";
import { PollEvent, PollSet } from "../../../native/poll.ts";
import { Timer } from "../../../native/timer.ts";
import { monotonicUs } from "../../common/clock.ts";
import { WorkerContext } from "../../common/worker.ts";
import { CpuSampler } from "./cpu-sampler.ts";
import { InterfaceSampler } from "./interface-sampler.ts";
import { IoSampler } from "./io-sampler.ts";
import type { ResourceSampler } from "./resource-sampler.ts";
import { SpaceSampler } from "./space-sampler.ts";

const TIMER = 0;
const WAKE = 1;
const US_PER_MS = 1000;

interface Timed {
  readonly sampler: ResourceSampler;
  dueUs: number;
}

/**
 * The thread that samples processors, file systems, block devices and interfaces: what the kernel answers at once, by
 * one clock, so that a calm host is woken once a second (docs/decisions/0013).
 */
class HostSampler {
  readonly #context: WorkerContext;
  readonly #timed: readonly Timed[];
  readonly #timer: Timer;
  readonly #poll = new PollSet(2);
  #armedUs = Number.POSITIVE_INFINITY;
  /** When the sample that is being taken began: its rows bear the numbers that it announces. */
  #sampleUs = monotonicUs();
  #stopping = false;

  constructor(context: WorkerContext) {
    const { descriptors } = context.start;
    this.#context = context;
    this.#timer = Timer.adopt(descriptors.hostTimer);
    const announcer = (resource: Resource) => (appeared: readonly NamedThing[], gone: readonly number[]) =>
      this.#announce({ type: "names", resource, atUs: this.#sampleUs, appeared, gone });
    const samplers: ResourceSampler[] = [
      new CpuSampler(context, announcer("cpu")),
      new SpaceSampler(context, announcer("disk")),
      new IoSampler(context, announcer("io")),
      new InterfaceSampler(context, announcer("net")),
    ];
    // All begin at the same moment, so that those of one interval stay together.
    const dueUs = monotonicUs();
    this.#timed = samplers.map((sampler) => ({ sampler, dueUs }));
    this.#poll.set(TIMER, descriptors.hostTimer, PollEvent.in);
    this.#poll.set(WAKE, descriptors.hostEvent, PollEvent.in);
  }

  run(): void {
    this.#sampleDue();
    this.#context.ready();
    for (;;) {
      this.#arm();
      this.#poll.wait(this.#context.rest());
      if (!this.#context.alive()) return;
      if (this.#poll.happened(TIMER) !== 0) this.#timer.wait();
      if (this.#poll.happened(WAKE) !== 0) clearEvent(this.#context.start.descriptors.hostEvent);
      if (!this.#takeLetters()) return;
      this.#sampleDue();
    }
  }

  #sampleDue(): void {
    const nowUs = monotonicUs();
    this.#sampleUs = nowUs;
    let sampled = false;
    for (const timed of this.#timed) {
      const intervalUs = timed.sampler.intervalMs * US_PER_MS;
      if (intervalUs === Number.POSITIVE_INFINITY || nowUs < timed.dueUs) continue;
      timed.sampler.sample(nowUs);
      sampled = true;
      // The next one on the grid: what was missed is not made up for.
      const wantedUs = timed.sampler.intervalMs * US_PER_MS;
      const ticks = Math.max(1, Math.ceil((nowUs - timed.dueUs + 1) / wantedUs));
      timed.dueUs += wantedUs * ticks;
      if (ticks > 1) this.#countMissed(ticks - 1);
    }
    if (sampled) this.#context.board.ring();
  }

  #countMissed(ticks: number): void {
    const { board } = this.#context;
    board.setGauge(Gauge.hostMissedTicks, board.gauge(Gauge.hostMissedTicks) + ticks);
  }

  #arm(): void {
    let nextUs = Number.POSITIVE_INFINITY;
    for (const { sampler, dueUs } of this.#timed) {
      if (sampler.intervalMs !== Number.POSITIVE_INFINITY) nextUs = Math.min(nextUs, dueUs);
    }
    if (nextUs === this.#armedUs) return;
    this.#armedUs = nextUs;
    if (nextUs !== Number.POSITIVE_INFINITY) this.#timer.set(0, nextUs - monotonicUs());
  }

  /** @returns false when the worker is to stop */
  #takeLetters(): boolean {
    for (let message = this.#context.receive(); message !== null; message = this.#context.receive()) {
      if (message.type === "stop") {
        this.#stopping = true;
        for (const { sampler } of this.#timed) sampler.close();
        return false;
      }
      if (message.type !== "policy") throw new Error(`the host's sampler knows no message ${message.type}`);
      for (const timed of this.#timed) {
        timed.sampler.takePolicy(message.policy);
        timed.dueUs = monotonicUs();
      }
    }
    return true;
  }

  #announce(message: Extract<Message, { type: "names" }>): void {
    // What is let go of at the end is not gone.
    if (this.#stopping || (message.appeared.length === 0 && message.gone.length === 0)) return;
    this.#context.announce(message);
  }
}

new HostSampler(WorkerContext.current()).run();
