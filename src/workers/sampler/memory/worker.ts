import { AppLines } from "../../../core/app/lines.ts";
import { FillRate } from "../../../core/memory/fill-rate.ts";
import { distanceBytes, memoryLines } from "../../../core/memory/lines.ts";
import { nextIntervalUs, worthChanging } from "../../../core/memory/pace.ts";
import type { Policy } from "../../../core/policy/policy.ts";
import { createRing } from "../../../core/ring/views.ts";
import { RingWriter } from "../../../core/ring/writer.ts";
import { MEMORY_COLUMNS, Mem } from "../../../core/samples.ts";
import { Board, Gauge } from "../../../core/shared/board.ts";
import { closeDescriptor } from "../../../native/descriptor.ts";
import { Timer } from "../../../native/timer.ts";
import { monotonicUs } from "../../common/clock.ts";
import { WorkerContext } from "../../common/worker.ts";
import type { MemoryReader } from "./memory-reader.ts";
import { openMemoryReader } from "./open-reader.ts";
import { type Sight, sightOf } from "./returning-reader.ts";

/** A calm host's analysis is woken only so often; its samples wait in the ring. */
const CALM_RING_US = 500_000;
/** Whoever waits longer than this rests, and need not be heard of. */
const REST_US = 1_000_000;
/** Samples taken for practice before the first that counts, so that all they run is compiled by then. */
const REHEARSED_SAMPLES = 1200;

/** The counters of /proc/vmstat cost more than all else together: not more often than this. */
const COUNTERS_US = 20_000;

/** A sample's cost, averaged over about ten; between two samples there is this multiple of it. */
const COST_WEIGHT = 0.1;
const REST_FACTOR = 3;

/** The thread that samples memory: follows its clock, reads, writes the ring, and sets the clock for the next time. */
class MemorySampler {
  readonly #context: WorkerContext;
  readonly #writer: RingWriter;
  readonly #timer: Timer;
  readonly #frame = new Float64Array(MEMORY_COLUMNS.length);
  readonly #fill = new FillRate();
  #policy: Policy;
  /** Where applications have their levels. */
  #appLines: AppLines;
  #intervalUs = 0;
  #tickUs = Number.NaN;
  #lastRingUs = 0;
  #costUs = 0;
  #countersUs = 0;
  #worstGapUs = 0;
  #lastSampleUs = Number.NaN;
  #sight: Sight = "headroom";

  constructor(context: WorkerContext) {
    this.#context = context;
    this.#policy = context.start.policy;
    this.#appLines = appLinesOf(this.#policy);
    this.#writer = new RingWriter(context.start.memoryRing);
    this.#timer = Timer.adopt(context.start.descriptors.samplerTimer);
  }

  run(): void {
    const reader = openMemoryReader(this.#context.start.roots, this.#policy.scope);
    this.#rehearse(reader);
    const { intervalMs } = this.#policy.memory;
    // Before the clock begins, which would have to wait for what that does.
    this.#context.ready();
    // Of a recording the first row comes at once, as those of the other samplers.
    this.#setInterval(intervalMs * 1000, this.#context.onlyRecords ? 1 : intervalMs * 1000);
    for (;;) {
      // A recording's clock may be so slow that the thread would seem to hang.
      if (this.#intervalUs > REST_US) this.#context.rest();
      const ticks = this.#timer.wait();
      const wokenUs = monotonicUs();
      if (!this.#context.alive()) return;
      for (let message = this.#context.receive(); message !== null; message = this.#context.receive()) {
        if (message.type === "stop") return reader.close();
        if (message.type === "policy") this.#takePolicy(message.policy);
        else throw new Error(`the memory sampler knows no message ${message.type}`);
      }
      reader.read(this.#frame, this.#countersDue(wokenUs));
      if (this.#policy.scope !== "host") this.#tellSight();
      this.#finishSample(ticks, wokenUs);
      this.#pace();
    }
  }

  #takePolicy(policy: Policy): void {
    this.#policy = policy;
    this.#appLines = appLinesOf(policy);
  }

  /** Near a line the counters, which are for rates over a second, need not be in every sample. */
  #countersDue(nowUs: number): boolean {
    if (nowUs - this.#countersUs < COUNTERS_US) return false;
    this.#countersUs = nowUs;
    return true;
  }

  /** Takes samples into a ring and onto a board of their own. */
  #rehearse(reader: MemoryReader): void {
    const { start } = this.#context;
    const memoryRing = createRing({ columns: MEMORY_COLUMNS, rowsPerSegment: 16, segments: 2 });
    const timer = Timer.create(false);
    const descriptors = { ...start.descriptors, samplerTimer: timer.descriptor };
    const context = new WorkerContext({
      ...start,
      memoryRing,
      descriptors,
      board: new Board().memory,
      epoch: 0,
    });
    const stage = new MemorySampler(context);
    for (let i = 0; i < REHEARSED_SAMPLES; i++) {
      context.alive();
      context.receive();
      reader.read(stage.#frame, stage.#countersDue(monotonicUs()));
      stage.#finishSample(1, monotonicUs());
      stage.#pace();
    }
    closeDescriptor(timer.descriptor);
  }

  /** Says when a scope cannot be guarded, and when it can be again. */
  #tellSight(): void {
    const sight = sightOf(this.#frame);
    if (sight === this.#sight) return;
    this.#sight = sight;
    const { scope } = this.#policy;
    if (sight === "headroom")
      return this.#context.log("info", `${scope} is guarded again: its limit is seen`);
    const [what, why] =
      sight === "gone"
        ? [`${scope} cannot be read: nothing is guarded until it is back`, "the cgroup was removed"]
        : [
            `${scope} has no limit, nor has what it is in: no level can begin`,
            "no limit is set on its memory",
          ];
    this.#context.log("warn", `${what} (${why})`);
    this.#context.send("recorder", { type: "event", event: { event: "limited", what, why } });
  }

  #finishSample(ticks: number, wokenUs: number): void {
    const frame = this.#frame;
    const nowUs = monotonicUs();
    this.#tickUs += ticks * this.#intervalUs;
    frame[Mem.timeUs] = Math.floor(nowUs);
    frame[Mem.latenessUs] = Math.max(0, wokenUs - this.#tickUs);
    frame[Mem.missedTicks] = Math.max(0, ticks - 1);
    frame[Mem.costUs] = nowUs - wokenUs;
    this.#writer.append(frame);
    const board = this.#context.board;
    board.setGauge(Gauge.samples, board.gauge(Gauge.samples) + 1);
    board.setGauge(Gauge.missedTicks, board.gauge(Gauge.missedTicks) + Math.max(0, ticks - 1));
    const gapUs = nowUs - this.#lastSampleUs;
    if (gapUs > this.#worstGapUs) {
      this.#worstGapUs = gapUs;
      board.setGauge(Gauge.worstGapUs, Math.max(gapUs, board.gauge(Gauge.worstGapUs)));
    }
    this.#lastSampleUs = nowUs;
    this.#fill.update(nowUs, frame[Mem.availableBytes] as number);
  }

  /** Sets the clock by what was seen, and wakes the analysis when it should look. */
  #pace(): void {
    const { memory } = this.#policy;
    const available = this.#frame[Mem.availableBytes] as number;
    const lines = memoryLines(this.#policy, this.#frame[Mem.totalBytes] as number);
    const calmUs = memory.intervalMs * 1000;
    const crossed = this.#appLines.take(this.#frame);
    const distance = Math.min(distanceBytes(lines, available), this.#appLines.distanceBytes);
    const wantedUs = nextIntervalUs(this.#fill, distance, calmUs, this.#shortestUs);
    const board = this.#context.board;
    board.setGauge(Gauge.intervalUs, this.#intervalUs);
    const nowUs = this.#frame[Mem.timeUs] as number;
    const calm = !crossed && wantedUs >= calmUs && available > lines.walkBytes && board.worstLevel === 0;
    if (!calm || nowUs - this.#lastRingUs >= CALM_RING_US) {
      this.#lastRingUs = nowUs;
      board.ring();
    }
    if (worthChanging(this.#intervalUs, wantedUs)) this.#setInterval(wantedUs);
  }

  /** On a slow or a full processor, looking more often than it can be afforded would only delay what follows. */
  get #shortestUs(): number {
    this.#costUs += ((this.#frame[Mem.costUs] as number) - this.#costUs) * COST_WEIGHT;
    return Math.max(this.#policy.memory.intervalMinMs * 1000, this.#costUs * REST_FACTOR);
  }

  #setInterval(intervalUs: number, firstUs: number = intervalUs): void {
    this.#intervalUs = Math.round(intervalUs);
    this.#tickUs = monotonicUs() - this.#intervalUs + Math.round(firstUs);
    this.#timer.set(this.#intervalUs, Math.round(firstUs));
  }
}

/** In a scope of one cgroup samples are the cgroup's: applications are judged by the host's. */
function appLinesOf({ app, scope }: Policy): AppLines {
  return new AppLines(scope === "host" ? app : { ...app, enabled: false });
}

new MemorySampler(WorkerContext.current()).run();
