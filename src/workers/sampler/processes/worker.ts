import { worthChanging } from "../../../core/memory/pace.ts";
import { Gauge } from "../../../core/shared/board.ts";
import { clearEvent } from "../../../native/event.ts";
import { PollEvent, PollSet } from "../../../native/poll.ts";
import { Timer } from "../../../native/timer.ts";
import { Capability, effectiveCapabilities, holds } from "../../common/capabilities.ts";
import { cgroupAncestry, findMemoryHierarchy } from "../../common/cgroup-path.ts";
import { monotonicUs } from "../../common/clock.ts";
import { descriptorLimit } from "../../common/descriptor-limit.ts";
import { ownAncestry } from "../../common/target.ts";
import { WorkerContext } from "../../common/worker.ts";
import { CgroupPids, hostPids, type PidSource } from "../../common/pid-source.ts";
import type { ProcessEntry } from "./process-entry.ts";
import { ProcessWalker } from "./walker.ts";

/** At most this share of the descriptors that the guard may have is held open for processes. */
const HELD_SHARE = 0.5;

const FIRST_WALKS = 8;

const TIMER = 0;
const WAKE = 1;

/** The thread that walks over the processes: seldom on a calm host, by its clock near a line, at once when asked. */
class ProcessSampler {
  readonly #context: WorkerContext;
  readonly #walker: ProcessWalker;
  readonly #timer = Timer.create(false);
  readonly #poll = new PollSet(2);
  #intervalMs = 0;
  #calmMs: number;
  #requestSeen: number;

  constructor(context: WorkerContext) {
    const { start, board } = context;
    this.#context = context;
    this.#calmMs = start.policy.memory.walkIntervalCalmMs;
    this.#requestSeen = board.walkRequests;
    const hierarchy = findMemoryHierarchy(start.roots.cgroup);
    const scope = start.policy.scope;
    const directory = hierarchy === null ? undefined : cgroupAncestry(hierarchy, scope)[0];
    const source: PidSource =
      scope === "host" || directory === undefined ? hostPids(start.roots.proc) : new CgroupPids(directory);
    this.#walker = new ProcessWalker({
      procRoot: start.roots.proc,
      source,
      ring: start.processRing,
      policy: start.policy,
      hierarchy,
      units: start.units,
      descriptors: Math.floor(descriptorLimit(start.roots.proc) * HELD_SHARE),
      spared: ownAncestry(start.roots.proc, process.pid),
      onlyUid: holds(effectiveCapabilities(start.roots.proc), Capability.kill)
        ? null
        : (process.geteuid?.() ?? 0),
      announce: (entries) => this.#announce(entries),
    });
    this.#poll.set(TIMER, this.#timer.descriptor, PollEvent.in);
    this.#poll.set(WAKE, start.descriptors.processesEvent, PollEvent.in);
  }

  run(): void {
    this.#setInterval(this.#calmMs);
    // The first few are slow: what they run is compiled meanwhile.
    for (let walk = 0; walk < FIRST_WALKS; walk++) this.#walk();
    this.#context.ready();
    for (;;) {
      this.#poll.wait(this.#context.rest());
      if (!this.#context.alive()) return;
      // Asked only when there is something: finding nothing costs an exception.
      if (this.#poll.happened(WAKE) !== 0) clearEvent(this.#context.start.descriptors.processesEvent);
      if (!this.#takeLetters()) return this.#walker.close();
      const ticks = this.#poll.happened(TIMER) !== 0 ? this.#timer.wait() : 0;
      const requests = this.#context.board.walkRequests;
      if (ticks > 0 || requests !== this.#requestSeen) {
        this.#requestSeen = requests;
        this.#walk();
      }
      const wanted = this.#context.board.walkIntervalMs || this.#calmMs;
      if (worthChanging(this.#intervalMs, wanted)) this.#setInterval(wanted);
    }
  }

  /** @returns false when the worker is to stop */
  #takeLetters(): boolean {
    for (let message = this.#context.receive(); message !== null; message = this.#context.receive()) {
      if (message.type === "stop") return false;
      if (message.type !== "policy") throw new Error(`the process sampler knows no message ${message.type}`);
      this.#calmMs = message.policy.memory.walkIntervalCalmMs;
      this.#walker.setPolicy(message.policy);
    }
    return true;
  }

  #walk(): void {
    const beganUs = monotonicUs();
    const processes = this.#walker.walk(this.#requestSeen);
    const board = this.#context.board;
    board.setGauge(Gauge.processes, processes);
    board.setGauge(Gauge.walkCostUs, monotonicUs() - beganUs);
    board.ring();
  }

  #setInterval(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.#timer.set(intervalMs * 1000, intervalMs * 1000);
  }

  #announce(entries: readonly ProcessEntry[]): void {
    const identities = entries.map(({ pid, startTicks, name, commandLine, uid, cgroup }) => {
      return { pid, startTicks, name, commandLine, uid, cgroup };
    });
    this.#context.send("recorder", { type: "identities", identities });
  }
}

new ProcessSampler(WorkerContext.current()).run();
