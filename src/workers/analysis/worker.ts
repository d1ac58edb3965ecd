import { type Decision, firstSignal, isSentinels } from "../../core/memory/decision.ts";
import { memoryLines } from "../../core/memory/lines.ts";
import { type ActionEnd, MemoryState, type StepInput } from "../../core/memory/state.ts";
import { rehearse } from "../../core/memory/rehearsal.ts";
import { acceptStanding, revoke, step } from "../../core/memory/step.ts";
import { WalkReader } from "../../core/memory/walk-from-ring.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { RingReader } from "../../core/ring/reader.ts";
import { MEMORY_COLUMNS, Mem } from "../../core/samples.ts";
import { Gauge } from "../../core/shared/board.ts";
import { type Order, OrderBoard, StrikeState } from "../../core/shared/order.ts";
import type { Candidate } from "../../core/victim/candidate.ts";
import { raiseEvent } from "../../native/event.ts";
import { monotonicUs } from "../common/clock.ts";
import { NO_ACTION, WorkerContext } from "../common/worker.ts";
import { CgroupAnalysis } from "./cgroups.ts";
import { Resources } from "./resources.ts";

/** How the worst level is written on the board. */
const LEVEL_NUMBER = { warning: 1, thrashing: 2, critical: 2 } as const;

/** A walk that was asked for is waited for this long before it is asked for again. */
const WALK_ANSWER_US = 50_000;

/** Whom the sentinel is to hold a pidfd of, as an order says it; nobody where the first signal is not its. */
function victimOf(victim: Candidate | null, signal: number): Pick<Order, "pid" | "startTicks" | "group"> {
  if (victim === null || !isSentinels(victim, signal)) return { pid: 0, startTicks: 0, group: 0 };
  return { pid: victim.pid, startTicks: victim.startTicks, group: victim.kind === "process" ? 0 : victim.id };
}

/** The thread that decides: wakes when a sampler rings, steps, and gives out what the step says. */
class Analysis {
  readonly #context: WorkerContext;
  readonly #orders: OrderBoard;
  readonly #samples: RingReader;
  readonly #walks: WalkReader;
  readonly #frame = new Float64Array(MEMORY_COLUMNS.length);
  readonly #state: MemoryState;
  readonly #cgroups: CgroupAnalysis;
  readonly #resources: Resources;
  /** How often memory wishes processes to be walked, 0: as on a calm host. */
  #memoryWalkMs = 0;
  #policy: Policy;
  /** The last order that was refused because its victim is gone: a new walk was asked for. */
  #refusedSeen = 0;
  #walkAskedUs = Number.NEGATIVE_INFINITY;

  constructor(context: WorkerContext) {
    const { start } = context;
    this.#context = context;
    this.#policy = start.policy;
    this.#orders = new OrderBoard(start.order);
    this.#cgroups = new CgroupAnalysis(context);
    this.#resources = new Resources(context);
    this.#samples = new RingReader(start.memoryRing);
    this.#walks = new WalkReader(new RingReader(start.processRing));
    const idPrefix = `${start.idPrefix}-${start.epoch}`;
    this.#state = new MemoryState({
      ticksPerSecond: start.units.ticksPerSecond,
      ownPid: process.pid,
      idPrefix,
    });
    // An action that an earlier life began is still somebody's: nothing is decided before its end is known.
    if (this.#orders.state !== StrikeState.idle) this.#state.inFlight = "an earlier life's";
  }

  run(): void {
    const board = this.#context.board;
    rehearse(this.#policy);
    this.#context.ready();
    for (;;) {
      const rings = board.rings;
      if (!this.#turn()) return;
      board.waitForRing(rings, this.#context.rest());
      if (!this.#context.alive()) return;
    }
  }

  /** Takes in all there is. @returns false when the worker is to stop */
  #turn(): boolean {
    for (let message = this.#context.receive(); message !== null; message = this.#context.receive()) {
      if (message.type === "stop") {
        // The sentinel has stopped by now: what it did last is still to be told.
        this.#acceptStrike();
        return false;
      }
      if (message.type === "policy") {
        this.#policy = message.policy;
        this.#cgroups.policy = message.policy;
        this.#resources.takePolicy(message.policy);
      } else if (message.type === "end") this.#takeEnd(message.end);
      else if (!this.#cgroups.take(message) && !this.#resources.take(message))
        throw new Error(`the analysis knows no message ${message.type}`);
    }
    this.#acceptStrike();
    const walk = this.#walks.next();
    if (walk !== null) {
      this.#step({ frame: null, walk, end: null });
      this.#resources.takeWalk(walk);
    }
    while (this.#samples.next(this.#frame)) {
      this.#step({ frame: this.#frame, walk: null, end: null });
      this.#resources.takeMemory(this.#frame);
      // On a crowded machine samples may come as fast as they are taken in: that is no hanging.
      if (!this.#context.alive()) return false;
    }
    this.#cgroups.turn();
    this.#resources.turn();
    this.#setWalkInterval();
    const refused = this.#orders.refusedNumber;
    if (refused !== this.#refusedSeen) {
      this.#refusedSeen = refused;
      this.#requestWalk();
    }
    return true;
  }

  #takeEnd(end: ActionEnd): void {
    if (end.id === NO_ACTION && this.#orders.state === StrikeState.struck) this.#tellLostStrike();
    for (const state of [StrikeState.claimed, StrikeState.striking, StrikeState.struck]) {
      this.#orders.advance(state, StrikeState.idle);
    }
    // Whatever an earlier life began: with this end, nothing is in flight any more.
    if (this.#state.inFlight !== null) this.#state.inFlight = end.id;
    this.#step({ frame: null, walk: null, end });
  }

  /** The sentinel acted on a standing order whose reasons an earlier life of this thread took with it. */
  #tellLostStrike(): void {
    // Its pidfd stays open: whether it was handed on is not known, and its number may be another's by now.
    const { signal, errno } = this.#orders.readStrike();
    const what = `signal ${signal} went out by a standing order (errno ${errno}); whom it was for and why is lost`;
    const why = "the analysis failed at that time";
    this.#context.log("warn", `${what}: ${why}`);
    this.#context.send("recorder", { type: "event", event: { event: "limited", what, why } });
  }

  #step(input: StepInput): void {
    const { vm } = this.#resources;
    const output = step(this.#state, { ...input, heldFrom: vm.holdsFrom(monotonicUs()) }, this.#policy);
    if (input.frame !== null) vm.takeMemory(this.#state);
    const board = this.#context.board;
    const worst = this.#state.levels.worst;
    // A new life knows of no level before its first sample; the action lane may be acting on what the last one saw.
    if (this.#state.frame !== null) board.worstLevel = worst === null ? 0 : LEVEL_NUMBER[worst];
    // Orders before words: what is told to others takes longer than to act.
    const given = output.decisions.filter((decision) => this.#give(decision));
    for (const change of output.changes) this.#context.send("recorder", { type: "level", change });
    for (const decision of given) this.#announce(decision);
    if (output.standing !== undefined) this.#giveStanding();
    this.#memoryWalkMs = output.walkIntervalMs;
    this.#setWalkInterval();
    if (output.walkNow) this.#requestWalk();
    if (input.frame !== null) this.#showGauges();
  }

  /** Processes are walked as often as whoever wishes it oftenest. */
  #setWalkInterval(): void {
    const { board } = this.#context;
    const wishes = [this.#memoryWalkMs, this.#resources.walkIntervalMs].filter((wish) => wish > 0);
    const wanted = Math.ceil(wishes.length === 0 ? 0 : Math.min(...wishes));
    if (board.walkIntervalMs === wanted) return;
    const sooner = board.walkIntervalMs === 0;
    board.walkIntervalMs = wanted;
    if (sooner) raiseEvent(this.#context.start.descriptors.processesEvent);
  }

  #requestWalk(): void {
    // One request is answered by one walk; asking again while it is under way would only add another.
    if (this.#nowUs - this.#walkAskedUs < WALK_ANSWER_US) return;
    this.#walkAskedUs = this.#nowUs;
    this.#context.board.requestWalk();
    raiseEvent(this.#context.start.descriptors.processesEvent);
  }

  get #nowUs(): number {
    return this.#frame[Mem.timeUs] as number;
  }

  /** Takes the right to act on a decision, and has the sentinel begin. @returns false when the sentinel is ahead of us */
  #give(decision: Decision): boolean {
    if (decision.verdict !== "end") return true;
    if (this.#orders.claim(decision.number)) {
      this.#giveOrder(decision);
      return true;
    }
    // The sentinel was told by the kernel in the meantime, and is ahead of us.
    revoke(this.#state, decision.id);
    this.#acceptStrike();
    return false;
  }

  /** The first signal is the sentinel's, when nothing comes before it. */
  #giveOrder(decision: Decision): void {
    const signal = firstSignal(decision.rungs);
    this.#orders.write({
      ...victimOf(decision.victim, signal),
      number: decision.number,
      signal,
      immediate: false,
      fire: isSentinels(decision.victim, signal),
      lineBytes: decision.numbers.lineBytes ?? 0,
      dryRun: decision.dryRun,
    });
    raiseEvent(this.#context.start.descriptors.sentinelEvent);
  }

  #announce(decision: Decision): void {
    this.#context.send("recorder", { type: "decision", decision, wallMs: Date.now() });
    if (decision.verdict === "end" || decision.verdict === "notify") {
      this.#context.send("action", { type: "act", decision });
    }
  }

  /** The sentinel carried out a standing order by itself: make the decision it stands for, and let it go on. */
  #acceptStrike(): void {
    if (this.#orders.state !== StrikeState.struck || this.#state.inFlight !== null) return;
    const { number, availableBytes } = this.#orders.readStrike();
    const decision = acceptStanding(this.#state, number, availableBytes, this.#policy);
    if (decision !== null) this.#announce(decision);
  }

  #giveStanding(): void {
    const standing = this.#state.standing;
    this.#orders.write({
      ...victimOf(standing?.candidate ?? null, standing?.signal ?? 0),
      number: standing?.number ?? 0,
      signal: standing?.signal ?? 0,
      immediate: standing?.immediate ?? false,
      fire: false,
      lineBytes: standing?.lineBytes ?? 0,
      dryRun: this.#policy.dryRun,
    });
    raiseEvent(this.#context.start.descriptors.sentinelEvent);
  }

  #showGauges(): void {
    const { board } = this.#context;
    const frame = this.#frame;
    const total = frame[Mem.totalBytes] as number;
    const lines = memoryLines(this.#policy, total);
    board.setGauge(Gauge.totalBytes, total);
    board.setGauge(Gauge.availableBytes, frame[Mem.availableBytes] as number);
    board.setGauge(Gauge.swapTotalBytes, frame[Mem.swapTotalBytes] as number);
    board.setGauge(Gauge.swapFreeBytes, frame[Mem.swapFreeBytes] as number);
    board.setGauge(Gauge.fillBytesPerUs, this.#state.fill.bytesPerUs);
    board.setGauge(
      Gauge.timeToExhaustionUs,
      this.#state.fill.timeToUseUs(frame[Mem.availableBytes] as number),
    );
    board.setGauge(Gauge.stallShare, this.#state.rates.stallShare);
    board.setGauge(Gauge.pagesPerSecond, this.#state.rates.pagesPerSecond);
    board.setGauge(Gauge.criticalLineBytes, lines.criticalBytes);
    board.setGauge(Gauge.warningLineBytes, lines.warningBytes);
    board.setGauge(Gauge.timeUs, frame[Mem.timeUs] as number);
  }
}

new Analysis(WorkerContext.current()).run();
