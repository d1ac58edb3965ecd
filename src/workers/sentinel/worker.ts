import path from "node:path";
import { MEMORY_COLUMNS, Mem } from "../../core/samples.ts";
import { emptyOrder, type Order, OrderBoard, StrikeState } from "../../core/shared/order.ts";
import { closeDescriptor } from "../../native/descriptor.ts";
import { clearEvent } from "../../native/event.ts";
import { openPidfd, Signal, signalPidfd } from "../../native/pidfd.ts";
import { PollEvent, PollSet } from "../../native/poll.ts";
import { cgroupAncestry, findMemoryHierarchy, type MemoryHierarchy } from "../common/cgroup-path.ts";
import { monotonicUs } from "../common/clock.ts";
import { signalGroup } from "../common/process-group.ts";
import { openTarget } from "../common/target.ts";
import { WorkerContext } from "../common/worker.ts";
import type { MemoryReader } from "../sampler/memory/memory-reader.ts";
import { openMemoryReader } from "../sampler/memory/open-reader.ts";
import { sightOf } from "../sampler/memory/returning-reader.ts";
import { stallTrigger, type Trigger, usageTrigger } from "./triggers.ts";

const WAKE = 0;
const STALL = 1;
const USAGE = 2;
const NO_PIDFD = -1;
const NO_SUCH_PROCESS = 3;
/** A usage threshold is asked for again when it has moved by more than this share of the limit. */
const THRESHOLD_SLACK = 1 / 64;
/** How often the way to the signal is walked before it is needed, so that it is compiled by then. */
const WARM_UP_TURNS = 400;

/** The thread that waits for the kernel's notices and carries out the standing order: one signal through one pidfd. */
class Sentinel {
  readonly #context: WorkerContext;
  readonly #orders: OrderBoard;
  readonly #order: Order = emptyOrder();
  readonly #frame = new Float64Array(MEMORY_COLUMNS.length);
  readonly #poll = new PollSet(3);
  readonly #reader: MemoryReader;
  readonly #hierarchy: MemoryHierarchy | null;
  readonly #stall: Trigger | null;
  #usage: Trigger | null = null;
  #thresholdBytes = Number.NaN;
  #pidfd = NO_PIDFD;
  /** The order that the pidfd is for. */
  #armedNumber = 0;
  /** The process that it is of. */
  #armedPid = 0;
  #armedStartTicks = Number.NaN;

  constructor(context: WorkerContext) {
    const { roots, policy, descriptors, order } = context.start;
    this.#context = context;
    this.#orders = new OrderBoard(order);
    this.#reader = openMemoryReader(roots, policy.scope);
    this.#hierarchy = policy.scope === "host" ? null : findMemoryHierarchy(roots.cgroup);
    this.#stall = stallTrigger(this.#pressureFile());
    this.#poll.set(WAKE, descriptors.sentinelEvent, PollEvent.in);
    if (this.#stall !== null) this.#poll.set(STALL, this.#stall.descriptor, this.#stall.events);
  }

  run(): void {
    this.#warmUp();
    this.#takeOrder(monotonicUs());
    this.#context.ready();
    for (;;) {
      this.#poll.wait(this.#context.rest());
      const wokenUs = monotonicUs();
      if (!this.#context.alive()) return;
      if (this.#poll.happened(USAGE) !== 0) this.#lineCrossed(wokenUs);
      if (this.#poll.happened(STALL) !== 0) this.#stalled();
      // Asked only when there is something: finding nothing costs an exception.
      const woken = this.#poll.happened(WAKE) !== 0;
      if (woken && clearEvent(this.#context.start.descriptors.sentinelEvent)) this.#takeOrder(wokenUs);
      if (!this.#takeLetters()) return this.#close();
    }
  }

  /** The kernel says that memory stalls: time for a closer look. With its cgroup gone, it would say so for ever. */
  #stalled(): void {
    this.#context.board.ring();
    const gone = PollEvent.error | PollEvent.hangUp | PollEvent.invalid;
    if ((this.#poll.happened(STALL) & gone) !== 0) this.#poll.set(STALL, NO_PIDFD, 0);
  }

  /** @returns false when the worker is to stop */
  #takeLetters(): boolean {
    for (let message = this.#context.receive(); message !== null; message = this.#context.receive()) {
      if (message.type === "stop") return false;
      // The lines come with every order; nothing else of the policy is the sentinel's.
      if (message.type !== "policy") throw new Error(`the sentinel knows no message ${message.type}`);
    }
    return true;
  }

  /** Reads the present order, opens its victim ahead of time, and carries it out when it says so. */
  #takeOrder(wokenUs: number): void {
    if (!this.#orders.read(this.#order)) return;
    const { number, pid, startTicks, fire } = this.#order;
    const same = this.#pidfd !== NO_PIDFD && pid === this.#armedPid && startTicks === this.#armedStartTicks;
    if (same) {
      // The same process as before: its pidfd goes on meaning it.
      this.#armedNumber = number;
      this.#orders.arm(number);
    } else if (number !== this.#armedNumber) {
      this.#disarm();
      this.#armedNumber = number;
      if (pid > 0) this.#arm(number, pid, startTicks);
    }
    if (fire && this.#orders.claimedNumber === number) this.#strike(StrikeState.claimed, wokenUs, Number.NaN);
    else this.#watchUsage();
  }

  #arm(number: number, pid: number, startTicks: number): void {
    const target = openTarget(this.#context.start.roots.proc, pid, startTicks);
    if (typeof target === "number") {
      this.#pidfd = target;
      this.#armedPid = pid;
      this.#armedStartTicks = startTicks;
      this.#orders.arm(number);
    } else {
      this.#orders.refuse(number);
      this.#context.board.ring();
    }
  }

  #disarm(): void {
    if (this.#pidfd !== NO_PIDFD) closeDescriptor(this.#pidfd);
    this.#pidfd = NO_PIDFD;
  }

  /** The kernel says that usage crossed its threshold. File cache counts as usage there, so it is looked at again. */
  #lineCrossed(wokenUs: number): void {
    clearEvent((this.#usage as Trigger).descriptor);
    this.#reader.read(this.#frame);
    // The kernel's last word on a cgroup that was removed: one that takes its name is to be asked about anew.
    if (sightOf(this.#frame) === "gone") this.#thresholdBytes = Number.NaN;
    const availableBytes = this.#frame[Mem.availableBytes] as number;
    const { immediate, lineBytes } = this.#order;
    if (immediate && this.#pidfd !== NO_PIDFD && availableBytes < lineBytes) {
      this.#strike(StrikeState.idle, wokenUs, availableBytes);
    } else {
      this.#context.board.ring();
    }
  }

  /** Sends the order's signal, if the right to act can be had from state `from`: never two actions in flight. */
  #strike(from: number, wokenUs: number, availableBytes: number): void {
    if (!this.#orders.advance(from, StrikeState.striking)) return;
    const { number, signal } = this.#order;
    const pidfd = this.#pidfd;
    const errno = pidfd === NO_PIDFD ? NO_SUCH_PROCESS : this.#send(pidfd);
    const signalledUs = monotonicUs();
    // From here on the pidfd belongs to whoever takes the strike over.
    this.#pidfd = NO_PIDFD;
    this.#armedNumber = 0;
    this.#orders.writeStrike({
      number,
      wokenUs,
      signalledUs,
      availableBytes,
      errno,
      pidfd,
      signal,
    });
    this.#context.board.ring();
  }

  /** @returns 0, or the errno of the refusal */
  #send(pidfd: number): number {
    const { pid, group, signal, dryRun } = this.#order;
    if (group > 0 && !dryRun) {
      return signalGroup(this.#context.start.roots.proc, group, { pid, pidfd }, signal);
    }
    return signalPidfd(pidfd, dryRun ? Signal.none : signal)?.errno ?? 0;
  }

  /** On cgroup v1, asks the kernel for notice at the usage where, as things are, the line is crossed. */
  #watchUsage(): void {
    const directory = this.#v1Directory();
    if (directory === null || !(this.#order.lineBytes > 0)) return;
    this.#reader.read(this.#frame);
    const totalBytes = this.#frame[Mem.totalBytes] as number;
    const reclaimable = (this.#frame[Mem.availableBytes] as number) - (this.#frame[Mem.freeBytes] as number);
    const wanted = totalBytes - this.#order.lineBytes + Math.max(0, reclaimable);
    if (!(wanted > 0) || Math.abs(wanted - this.#thresholdBytes) < totalBytes * THRESHOLD_SLACK) return;
    this.#usage?.close();
    this.#usage = usageTrigger(directory, wanted);
    this.#thresholdBytes = wanted;
    if (this.#usage !== null) this.#poll.set(USAGE, this.#usage.descriptor, this.#usage.events);
    else this.#poll.set(USAGE, NO_PIDFD, 0);
  }

  #v1Directory(): string | null {
    if (this.#hierarchy?.version !== 1) return null;
    return cgroupAncestry(this.#hierarchy, this.#context.start.policy.scope)[0] ?? null;
  }

  #pressureFile(): string {
    const { roots, policy } = this.#context.start;
    const own = this.#hierarchy?.version === 2 ? cgroupAncestry(this.#hierarchy, policy.scope)[0] : undefined;
    return own === undefined ? path.join(roots.proc, "pressure/memory") : path.join(own, "memory.pressure");
  }

  /** Walks the whole way with signal 0 to ourselves: cold, the first signal would take milliseconds. */
  #warmUp(): void {
    const own = openPidfd(process.pid);
    for (let turn = 0; turn < WARM_UP_TURNS; turn++) {
      if (typeof own === "number") signalPidfd(own, Signal.none);
      if (turn < WARM_UP_TURNS / 10) this.#reader.read(this.#frame);
      this.#orders.read(this.#order);
      this.#poll.wait(0);
      monotonicUs();
    }
    if (typeof own === "number") closeDescriptor(own);
    Object.assign(this.#order, emptyOrder());
  }

  #close(): void {
    this.#disarm();
    this.#usage?.close();
    this.#stall?.close();
    this.#reader.close();
  }
}

new Sentinel(WorkerContext.current()).run();
