import path from "node:path";
import { RescueBoard } from "../../core/rescue/board.ts";
import type { RescueReport, RescueTrigger } from "../../core/rescue/report.ts";
import { canGive } from "../../core/rescue/share.ts";
import { marginWithin, thresholdsBytes } from "../../core/rescue/thresholds.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { compilePatterns } from "../../core/cgroups/pattern.ts";
import { clearEvent } from "../../native/event.ts";
import { PollEvent } from "../../native/poll.ts";
import { findMemoryHierarchy } from "../common/cgroup-path.ts";
import { monotonicUs } from "../common/clock.ts";
import { WorkerContext } from "../common/worker.ts";
import { Journal } from "./journal.ts";
import { KernelWitness } from "./kernel-witness.ts";
import { LOOK_MS, Lookout } from "./lookout.ts";
import { Notices } from "./notices.ts";
import type { Notice, Receiver } from "./receiver.ts";
import { ReceiverV1 } from "./receiver-v1.ts";
import { Receivers, type Slot } from "./receivers.ts";
import { Rescuer } from "./rescuer.ts";
import { readLimit } from "./limit-file.ts";
import { rehearse } from "./rehearsal.ts";
import { returnLease } from "./returns.ts";
import { Transaction } from "./transaction.ts";

/** While a cgroup could be standing at its limit, the thread looks so often whether one does: no notice is trusted alone. */
const WAITING_LOOK_MS = 500;

/** While one that may be paused has less than this share of its limit left, the thread keeps itself ready … */
const WARM_SHARE = 0.25;
/** … so often, which takes 0.2 % of a processor. */
const WARM_MS = 10;
/** Watching is brought up to date at most so often, other than for new receivers. */
const TEND_US = 100_000;
/** So long after a rescue it is told. */
const TELL_AFTER_MS = 2;
/** How often nothing is waited for before anything is, so that waiting is compiled. */
const WARM_UP_TURNS = 300;

/** Of a cgroup, the files that hold its limit. */
const LIMIT_FILES: ReadonlySet<string> = new Set(["memory.limit_in_bytes", "memory.max"]);

/** The thread that moves memory limits: it waits for the kernel to say that a cgroup is about to die. */
class RescueThread {
  readonly #context: WorkerContext;
  readonly #journal: Journal;
  readonly #transaction: Transaction;
  readonly #receivers: Receivers;
  readonly #rescuer: Rescuer;
  readonly #notices: Notices;
  readonly #witness: KernelWitness | null;
  readonly #lookout = new Lookout();
  readonly #root: string;
  /** Reports that have not been sent, and when the last of them was made. */
  readonly #untold: RescueReport[] = [];
  #raisedUs = 0;
  /** One that may be paused and is near its limit. */
  #nearSlot: Slot | null = null;
  #tendedUs = 0;
  #policy: Policy;
  #mayPause: (path: string) => boolean;
  /** What the thresholds of each slot's receiver begin with. */
  readonly #told = new Map<Slot, Receiver>();
  readonly #thresholdsFrom = new Map<Slot, number>();

  constructor(context: WorkerContext) {
    const { start } = context;
    const hierarchy = findMemoryHierarchy(start.roots.cgroup);
    if (hierarchy === null)
      throw new Error("expected a cgroup hierarchy with the memory controller, found none");
    rehearse(start.journalPath, hierarchy.version, start.policy.rescue);
    this.#context = context;
    this.#root = hierarchy.root;
    this.#policy = start.policy;
    this.#mayPause = compilePatterns(start.policy.rescue.pause);
    this.#journal = Journal.open(start.journalPath);
    this.#transaction = new Transaction(this.#journal);
    this.#receivers = new Receivers(hierarchy, new RescueBoard(start.rescueOrders), {
      opened: (slot) => this.#arm(slot),
      closing: (slot) => this.#disarm(slot),
      donorGone: (donor) => {
        this.#journal.strike(donor.limit.path, donor.identity.inode, "gone");
        this.#journal.commit();
      },
    });
    const means = {
      receivers: this.#receivers,
      transaction: this.#transaction,
      idPrefix: `${start.idPrefix}-${start.epoch}`,
      mayWrite: () => this.#mayWrite,
    };
    this.#rescuer = new Rescuer(means, start.policy.rescue);
    this.#witness = KernelWitness.open(start.roots.kmsg);
    const kernelLog =
      this.#witness === null ? null : { descriptor: this.#witness.descriptor, events: PollEvent.in };
    this.#notices = new Notices(
      { descriptor: start.descriptors.rescueEvent, events: PollEvent.in },
      kernelLog,
    );
  }

  run(): void {
    for (let turn = 0; turn < WARM_UP_TURNS; turn++) {
      this.#notices.wait(0);
      this.#notices.each((slot, notice) => this.#noticed(slot, notice, monotonicUs()));
    }
    this.#tellOutstanding();
    this.#context.ready();
    for (;;) {
      this.#notices.wait(this.#waitMs());
      const wokenUs = monotonicUs();
      this.#notices.each((slot, notice) => this.#noticed(slot, notice, wokenUs));
      if (this.#lookout.busy) this.#lookout.look(wokenUs, this.#giveMore);
      if (!this.#context.alive()) return;
      if (this.#untold.length > 0 && monotonicUs() - this.#raisedUs >= TELL_AFTER_MS * 1000) this.#announce();
      if (this.#notices.kernelSpoke) this.#hearWitness();
      if (this.#notices.woken) clearEvent(this.#context.start.descriptors.rescueEvent);
      if (!this.#takeLetters()) return this.#close();
      const changed = this.#receivers.takeOrders();
      if (changed) this.#watch();
      if (changed || wokenUs - this.#tendedUs >= TEND_US) this.#tend(wokenUs);
      else if (this.#nearSlot?.receiver) this.#rescuer.keepWarm(this.#nearSlot);
    }
  }

  /** The policy is no dry run, and there is somebody who would put everything back. */
  get #mayWrite(): boolean {
    return !this.#policy.dryRun && this.#context.board.guardianAlive;
  }

  get #pausesAny(): boolean {
    return this.#receivers.slots.some(({ receiver }) => receiver?.pauses === true);
  }

  #noticed(slot: Slot, notice: Notice, wokenUs: number): void {
    const { receiver } = slot;
    if (receiver === null) return;
    // The limit first: whoever waits for it waits for nothing else. Then the notice is taken as read.
    if (notice.trigger === "oom") {
      this.#rescue(slot, "oom", wokenUs);
      receiver.accept(notice);
    } else {
      const trigger = receiver.accept(notice);
      if (trigger !== null) this.#rescue(slot, trigger, wokenUs);
    }
    if (Number.isNaN(receiver.usageBytes())) this.#lost(slot);
  }

  readonly #giveMore = (slot: Slot, nearBytes: number): void => {
    this.#rescue(slot, "near-limit", monotonicUs(), nearBytes);
  };

  #rescue(slot: Slot, trigger: RescueTrigger, wokenUs: number, aheadBytes?: number): void {
    const report = this.#rescuer.rescue(slot, trigger, wokenUs, aheadBytes);
    if (report === null) return;
    const { outcome } = report;
    if (outcome === "raised") this.#lookout.watch(slot, wokenUs);
    // Who cannot be helped must not be held either: the kernel decides, as it would without us.
    if (outcome !== "raised") slot.receiver?.disarm(this.#transaction);
    this.#raisedUs = report.raisedUs;
    this.#untold.push(report);
  }

  /** What was done is told a moment later: who was waiting for it has the processor first. */
  #announce(): void {
    for (const report of this.#untold.splice(0)) {
      this.#context.send("analysis", { type: "rescue", report });
      this.#context.send("recorder", { type: "rescue", report });
      if (report.outcome !== "raised") continue;
      const us = report.raisedUs - report.wokenUs;
      this.#context.send("coordinator", { type: "latency", name: "rescue", us });
    }
    this.#context.board.ring();
  }

  /** Rests until there is something to do; not for long while a cgroup could be standing at its limit. */
  #waitMs(): number {
    if (this.#lookout.busy) return LOOK_MS;
    if (this.#untold.length > 0) return TELL_AFTER_MS;
    if (this.#nearSlot !== null) return WARM_MS;
    const restMs = this.#context.rest();
    return this.#pausesAny ? WAITING_LOOK_MS : restMs;
  }

  /** What is done now and then: watches as the orders now say, and looks for who stands at a limit all the same. */
  #tend(nowUs: number): void {
    this.#tendedUs = nowUs;
    this.#nearSlot = null;
    for (const slot of this.#receivers.slots) {
      if (slot.receiver === null) continue;
      this.#arm(slot);
      if (!slot.receiver.pauses) continue;
      // A notice may have been missed, or have come while nothing could be given.
      if (slot.receiver.isWaiting()) this.#rescue(slot, "oom", nowUs);
      if (slot.receiver.usageBytes() > slot.receiver.limitBytes() * (1 - WARM_SHARE)) this.#nearSlot = slot;
    }
    this.#journal.tidy();
  }

  #watch(): void {
    this.#notices.watch(this.#receivers.slots.filter(({ receiver }) => receiver !== null));
  }

  /** Watches, and pauses where that is allowed and somebody could give. Asked again with every order. */
  #arm(slot: Slot): void {
    const { receiver, order } = slot;
    if (receiver === null) return;
    const { rescue } = this.#policy;
    this.#askThresholds(slot);
    // Whom nobody could help is neither to wait nor to be slowed down.
    if (!this.#mayWrite || !canGive(order, rescue.addMinBytes)) {
      receiver.disarm(this.#transaction);
      if (this.#policy.dryRun) this.#tellWatching(slot);
      return;
    }
    const limitBytes = receiver.limitBytes();
    const mayPause = this.#mayPause(receiver.identity.path);
    if (!mayPause && receiver.pauses) receiver.disarm(this.#transaction);
    // One that is just about to meet its limit is not to begin to wait.
    const roomy = limitBytes - receiver.usageBytes() > marginWithin(rescue.marginBytes, limitBytes) / 2;
    const refusal = receiver.arm(this.#transaction, rescue.marginBytes, mayPause && roomy);
    if (refusal !== null)
      this.#context.log("warn", `${receiver.identity.path} cannot be watched: ${refusal}`);
    else this.#tellWatching(slot);
  }

  /** Said once of each; of one with thresholds by the coordinator, when the kernel has them. */
  #tellWatching(slot: Slot): void {
    if (slot.receiver === null || this.#told.get(slot) === slot.receiver) return;
    this.#told.set(slot, slot.receiver);
    if (this.#policy.rescue.marginBytes > 0 && slot.receiver instanceof ReceiverV1) return;
    this.#context.log("info", `watching ${slot.receiver.identity.path} to its limit`);
  }

  #askThresholds(slot: Slot): void {
    const { receiver, order } = slot;
    if (!(receiver instanceof ReceiverV1)) return;
    const { marginBytes } = this.#policy.rescue;
    const limitBytes = receiver.limitBytes();
    if (marginBytes === 0) return;
    const known = this.#thresholdsFrom.get(slot) ?? Number.POSITIVE_INFINITY;
    if (!Number.isFinite(limitBytes) || limitBytes >= known) return;
    const highestBytes = Math.min(known, limitBytes + order.lendableBytes);
    this.#thresholdsFrom.set(slot, limitBytes);
    this.#context.send("coordinator", {
      type: "thresholds",
      cgroup: receiver.identity.path,
      directory: receiver.directory,
      descriptor: receiver.thresholdEvent,
      thresholdsBytes: thresholdsBytes(limitBytes, highestBytes, marginWithin(marginBytes, limitBytes)),
    });
  }

  #disarm(slot: Slot): void {
    const { receiver } = slot;
    this.#thresholdsFrom.delete(slot);
    if (receiver === null) return;
    if (!Number.isNaN(receiver.usageBytes())) return void receiver.disarm(this.#transaction);
    // Of a cgroup that is no more there is nothing to put back.
    for (const file of receiver.files) this.#journal.strike(file.path, receiver.identity.inode, "gone");
    this.#journal.commit();
  }

  #lost(slot: Slot): void {
    this.#receivers.letGo(slot);
    this.#watch();
  }

  #hearWitness(): void {
    for (const kill of this.#witness?.oomKills() ?? []) {
      this.#context.send("recorder", { type: "event", event: { event: "oom-kill", ...kill } });
    }
  }

  /** @returns false when the worker is to stop */
  #takeLetters(): boolean {
    for (let message = this.#context.receive(); message !== null; message = this.#context.receive()) {
      switch (message.type) {
        case "stop":
          return false;
        case "policy":
          this.#policy = message.policy;
          this.#rescuer.policy = message.policy.rescue;
          this.#mayPause = compilePatterns(message.policy.rescue.pause);
          break;
        case "ask-outstanding":
          this.#tellOutstanding();
          break;
        case "cgroups":
          this.#receivers.takeIdentities(message.appeared, message.gone);
          this.#receivers.takeMissing();
          this.#watch();
          break;
        case "return":
          for (const lease of message.returns) this.#giveBack(lease);
          break;
        default:
          throw new Error(`the rescue thread knows no message ${message.type}`);
      }
    }
    return true;
  }

  #giveBack(lease: Parameters<typeof returnLease>[0]): void {
    // Also in what has become a dry run: what was lent goes back.
    if (!this.#context.board.guardianAlive) return;
    const { marginBytes } = this.#policy.rescue;
    const report = returnLease(lease, this.#receivers, this.#transaction, marginBytes);
    this.#context.send("analysis", { type: "returned", report });
    this.#context.send("recorder", { type: "returned", report });
    this.#context.board.ring();
  }

  /** What the journal says is still lent, by whatever life of the guard. */
  #tellOutstanding(): void {
    const limits = this.#journal.outstanding().flatMap(({ path: file, original }) => {
      if (!LIMIT_FILES.has(path.basename(file))) return [];
      // What was journaled may not have been written any more: the file knows.
      const presentLimitBytes = readLimit(file);
      if (presentLimitBytes === original || Number.isNaN(presentLimitBytes)) return [];
      const cgroup = `/${path.relative(this.#root, path.dirname(file))}`;
      return [{ path: cgroup, originalLimitBytes: original, presentLimitBytes }];
    });
    this.#context.send("analysis", { type: "outstanding", limits });
  }

  /** What was changed is put back by the guardian, when the guard has ended: one way for every end. */
  #close(): void {
    this.#announce();
    this.#receivers.close();
    this.#witness?.close();
    this.#journal.close();
  }
}

new RescueThread(WorkerContext.current()).run();
