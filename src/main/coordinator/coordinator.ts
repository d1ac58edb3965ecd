import fs from "node:fs";
import type { GuardEvent, Message } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { describeSwitches, type KernelSwitches } from "../../core/policy/switches.ts";
import type { ResourceStatus } from "../../core/resources/report.ts";
import type { CgroupFigures } from "../../core/rescue/figures.ts";
import { Board, Gauge, isLane, type WorkerName } from "../../core/shared/board.ts";
import { systemUnits } from "../../native/system.ts";
import { findMemoryHierarchy } from "../../workers/common/cgroup-path.ts";
import { monotonicUs } from "../../workers/common/clock.ts";
import type { HostRoots } from "../../workers/common/roots.ts";
import type { SharedDescriptors, WorkerStart } from "../../workers/common/worker.ts";
import { openMemoryReader } from "../../workers/sampler/memory/open-reader.ts";
import { Crew } from "./crew.ts";
import { HelperProcess } from "./helper-process.ts";
import { switchedOffEvent } from "./idle.ts";
import { Keepers } from "./keepers.ts";
import { Latencies } from "./latencies.ts";
import { Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";
import { GuardDataset } from "../recording/guard-dataset.ts";
import { Questions } from "./questions.ts";
import { openAudit, openKernelLogFor, requirePidfd, takeLock } from "./openings.ts";
import type { Places } from "./places.ts";
import { protectOurselves, raisePriority } from "./self-protection.ts";
import { openDescriptors, SharedState, wakeWorker } from "./shared-state.ts";
import { StatusServer } from "./status-server.ts";
import { ThreadWatch } from "./thread-watch.ts";
import { registerThresholds } from "./thresholds.ts";
import { Unfinished } from "./unfinished.ts";
import { type GuardStatus, statusOf } from "./status.ts";
import { hasProgram, wantedWorkers } from "./wanted-workers.ts";

/** The first sample comes an interval after the start; a busy machine may take its time. */
const FIRST_SAMPLE_LIMIT_MS = 10_000;
/** A clean stop takes no longer than this. */
const STOP_LIMIT_MS = 1500;
/** And with a dataset, so much longer on a slow disk. */
const DATASET_STOP_LIMIT_MS = 6000;

export interface GuardOptions {
  readonly policy: Policy;
  readonly roots: HostRoots;
  readonly places: Places;
  readonly version: string;
  readonly uid: number;
  readonly log: Log;
  /** Reads the policy again, for {@link Guard.reload}. */
  readonly loadPolicy: () => Policy;
  /** What of it the kernel command line switched off; {@link loadPolicy} heeds it. */
  readonly switches: KernelSwitches;
  /** The guard is to end, for the reason given. */
  readonly leave: (reason: string) => void;
  /** Faults may be asked for over the status socket: for tests only. */
  readonly allowFaults: boolean;
}

/** The guard: holds what outlives the workers, starts them, and stands between them. */
export class Guard {
  readonly board = new Board();
  readonly #ledger = new Ledger();
  readonly latencies = new Latencies();
  readonly #options: GuardOptions;
  readonly #shared = new SharedState();
  readonly #crew: Crew;
  readonly #keepers: Keepers;
  readonly #startedMs = Date.now();
  #policy: Policy;
  #lock: number | null = null;
  #descriptors: SharedDescriptors | null = null;
  #helper: HelperProcess | null = null;
  #server: StatusServer | null = null;
  #auditPath: string | null = null;
  #dataset: GuardDataset | null = null;
  /** One after the other, when policies are read anew in quick succession. */
  #starting: Promise<void> = Promise.resolve();
  /** Before there is a recorder, what is to be recorded waits here. */
  readonly #unsaid: { readonly what: string; readonly why: string }[] = [];
  #recording = false;
  readonly #cgroups = new Questions<readonly CgroupFigures[]>();
  readonly #resources = new Questions<readonly ResourceStatus[]>();
  readonly #unfinished = new Unfinished();

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#policy = options.policy;
    const { places, roots, log } = options;
    const limited = (what: string, why: string): void => this.#limited(what, why);
    this.#keepers = new Keepers({ places, roots, board: this.board, log, limited });
    const watch = new ThreadWatch(this.board, roots.proc, systemUnits().ticksPerSecond);
    this.#crew = new Crew(this.board, watch, {
      startOf: (name, epoch, mailBefore) => this.#startOf(name, epoch, mailBefore),
      onMessage: (_, message) => this.#take(message),
      onGap: (worker, why, silentMs, restartedAfterMs) => this.#gap(worker, why, silentMs, restartedAfterMs),
      onRestarted: (worker, unread) => this.#restarted(worker, unread),
      wake: (worker) => this.#wake(worker),
      onRelay: (to, message) => {
        this.#unfinished.note(to, message);
        this.#ledger.note(to, message, Date.now());
      },
    });
  }

  get policy(): Policy {
    return this.#policy;
  }

  get auditPath(): string | null {
    return this.#auditPath;
  }

  /**
   * Starts guarding.
   * @throws Fault: another guard is on this scope, or the scope cannot be guarded
   */
  async start(): Promise<void> {
    const { log, policy, roots, places, uid } = this.#options;
    this.#lock = takeLock(places, uid, policy.scope);
    requirePidfd();
    // Told at once and on this thread, rather than by a worker that dies.
    openMemoryReader(roots, policy.scope).close();
    this.#auditPath = openAudit(policy, places, log);
    this.#helper = new HelperProcess();
    this.#descriptors = openDescriptors(this.#helper, openKernelLogFor(policy, roots.kmsg, log));
    const limitations = raisePriority();
    await this.#keepers.start(policy);
    this.#dataset = this.#beginDataset();
    await this.#crew.start(this.#workers());
    await this.#firstSample();
    // Its signal has to be in time, so its lane is there before.
    if (this.#policy.app.enabled) this.#crew.post("app-lane", { type: "prepare", resource: "app" });
    this.#record(this.#startedEvent());
    this.#tellSwitches();
    this.#tellOfMachines();
    for (const { what, why } of [...limitations, ...protectOurselves(roots.proc)]) this.#limited(what, why);
    for (const { what, why } of this.#unsaid.splice(0)) this.#record({ event: "limited", what, why });
    this.#recording = true;
    this.#server = await StatusServer.open(this.#options.places.socketPath, {
      status: () => this.status(),
      cgroups: () => this.#cgroups.ask((id) => this.#crew.post("analysis", { type: "ask-cgroups", id })),
      resources: () =>
        this.#resources.ask((id) => this.#crew.post("analysis", { type: "ask-resources", id })),
      fault: this.#options.allowFaults ? (worker, kind) => this.#injectFault(worker, kind) : null,
    }).catch((error: Error) => {
      this.#limited("status cannot be asked for", error.message);
      return null;
    });
    log.info(
      `guarding ${policy.scope === "host" ? "the host" : policy.scope} by ${policy.source}${policy.dryRun ? " (dry run)" : ""}`,
    );
  }

  /** Takes a new policy over, or keeps the old one and says why. */
  reload(): void {
    const { log } = this.#options;
    let policy: Policy;
    try {
      policy = this.#options.loadPolicy();
      if (policy.scope !== this.#policy.scope) {
        throw new Error(
          `the scope cannot change while running (${this.#policy.scope} to ${policy.scope}): start the guard anew`,
        );
      }
    } catch (error) {
      const errors = (error as Error).message.split("\n");
      this.#record({ event: "policy-refused", errors });
      log.error(`the new policy is refused, the old one is kept:\n${(error as Error).message}`);
      return;
    }
    if (JSON.stringify(policy.record) !== JSON.stringify(this.#policy.record)) {
      this.#limited("what [record] says now is taken over at the next start", "the logs are opened once");
    }
    this.#policy = policy;
    this.#crew.postToAll({ type: "policy", policy });
    this.#record({ event: "policy-reloaded", policy: policy.source });
    log.info(`guarding by the new policy ${policy.source}`);
    this.#starting = this.#starting.then(() => this.#startMissing());
  }

  /** A new policy may ask for workers that the old one did not. */
  async #startMissing(): Promise<void> {
    if (!this.#keepers.rescues && this.#crew.names.includes("rescue")) {
      // Its journal is the dry run's, which nobody would put back from.
      if (this.#policy.dryRun) return;
      return this.#limited("nobody is rescued before the next start", "the guard was started as a dry run");
    }
    await this.#keepers.start(this.#policy);
    for (const name of this.#workers()) {
      if (this.#crew.names.includes(name)) continue;
      this.#crew.add(name);
      this.#restarted(name, []);
    }
  }

  /** Stops: nothing is begun any more, what is under way goes on record. */
  async stop(reason: string): Promise<void> {
    this.#record({ event: "stopped", reason, uptimeMs: Date.now() - this.#startedMs });
    await this.#crew.stop(STOP_LIMIT_MS, DATASET_STOP_LIMIT_MS);
    await this.#keepers.release();
    await this.#server?.close();
    this.#helper?.stop();
    if (this.#lock !== null) fs.closeSync(this.#lock);
  }

  status(): GuardStatus {
    return statusOf({
      board: this.board,
      policy: this.#policy,
      counts: this.#ledger.counts,
      latencies: this.latencies,
      version: this.#options.version,
      startedMs: this.#startedMs,
      auditPath: this.#auditPath,
      dataset: this.#dataset?.figures(this.board) ?? null,
      lastAction: this.#ledger.lastAction,
      lastActionMs: this.#ledger.lastActionMs,
      workers: this.#crew.names,
      nowMs: monotonicUs() / 1000,
    });
  }

  /** Whom the policy asks for. */
  #workers(): WorkerName[] {
    const cgroups = findMemoryHierarchy(this.#options.roots.cgroup) !== null;
    const rescue = this.#keepers.rescues;
    const wanted = wantedWorkers(this.#policy, { cgroups, rescue, virsh: hasProgram("virsh") });
    return this.#dataset === null ? wanted : [...wanted, "dataset"];
  }

  /** A host is guarded also where nothing can be recorded. */
  #beginDataset(): GuardDataset | null {
    const { roots, places } = this.#options;
    const usualDirectory = places.datasetsPath;
    const begin = { roots, usualDirectory, auditPath: this.#auditPath, startedMs: this.#startedMs };
    try {
      return GuardDataset.begin(this.#policy, this.#workers(), begin);
    } catch (error) {
      this.#limited("what is sampled is not recorded", (error as Error).message);
      return null;
    }
  }

  /** Guarding begins when the analysis has seen a sample, not when threads have been started. */
  async #firstSample(): Promise<void> {
    const deadlineMs = Date.now() + FIRST_SAMPLE_LIMIT_MS;
    while (this.board.gauge(Gauge.timeUs) === 0) {
      if (Date.now() > deadlineMs)
        throw new Error(`expected a sample within ${FIRST_SAMPLE_LIMIT_MS} ms, found none`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  #startOf(name: WorkerName, epoch: number, mailBefore: number): WorkerStart {
    if (this.#descriptors === null) throw new Error("descriptors come before workers");
    return {
      name,
      epoch,
      mailBefore,
      board: this.board.memory,
      order: this.#shared.order,
      memoryRing: this.#shared.memoryRing,
      processRing: this.#shared.processRing,
      usageRing: this.#shared.usageRing,
      detailRing: this.#shared.detailRing,
      resourceRings: this.#shared.resourceRings,
      rescueOrders: this.#shared.rescueOrders,
      journalPath: this.#keepers.journalPath,
      leversDirectory: this.#keepers.leversDirectory(this.#policy),
      knownCgroups: this.#ledger.cgroups,
      dataset: this.#dataset?.start ?? null,
      descriptors: this.#descriptors,
      roots: this.#options.roots,
      policy: this.#policy,
      idPrefix: this.#startedMs.toString(36),
      units: systemUnits(),
      auditPath: this.#auditPath,
    };
  }

  #startedEvent(): GuardEvent {
    const { source, scope, dryRun } = this.#policy;
    return {
      event: "started",
      version: this.#options.version,
      pid: process.pid,
      policy: source,
      scope,
      dryRun,
    };
  }

  #tellSwitches(): void {
    const { switches, log } = this.#options;
    const told = [describeSwitches(switches), ...switches.unknown.map((word) => `${word} is unknown`)];
    const texts = told.filter((text) => text !== null);
    for (const text of texts) log.warn(text);
    if (texts.length > 0) this.#record(switchedOffEvent(switches));
  }

  #tellOfMachines(): void {
    if (this.#policy.scope !== "host" || !this.#policy.vm.enabled || hasProgram("virsh")) return;
    const why = "found no virsh in PATH; install libvirt-clients and reload the policy (SIGHUP)";
    this.#limited("virtual machines of libvirt are neither seen nor acted on", why);
  }

  #limited(what: string, why: string): void {
    this.#options.log.warn(`${what} (${why})`);
    if (this.#recording) this.#record({ event: "limited", what, why });
    else this.#unsaid.push({ what, why });
  }

  #record(event: GuardEvent): void {
    this.#crew.post("recorder", { type: "event", event });
  }

  #wake(worker: WorkerName): void {
    const descriptors = this.#descriptors;
    if (descriptors !== null) wakeWorker(worker, descriptors, this.board);
  }

  #take(message: Message): void {
    const { log } = this.#options;
    if (message.type === "log") return log[message.severity](message.text);
    if (message.type === "thresholds") return void this.#tellOfUsage(message);
    if (message.type === "leave") return this.#options.leave(message.reason);
    if (message.type === "retire") return this.#crew.retire(message.worker);
    if (message.type === "resource-status") return this.#resources.answer(message.id, message.resources);
    if (message.type === "cgroup-figures") return this.#cgroups.answer(message.id, message.figures);
    if (message.type === "latency") return this.latencies.add(message.name, message.us);
    throw new Error(`the coordinator knows no message ${message.type}`);
  }

  async #tellOfUsage(message: Extract<Message, { type: "thresholds" }>): Promise<void> {
    const { cgroup, directory, descriptor, thresholdsBytes } = message;
    const refusal = await registerThresholds(directory, descriptor, thresholdsBytes);
    if (refusal === null) this.#options.log.info(`watching ${cgroup} to its limit`);
    else this.#limited(`${cgroup}: the kernel does not tell of usage near its limit`, refusal);
  }

  #gap(worker: WorkerName, why: string, silentMs: number, restartedAfterMs: number): void {
    this.#ledger.counts.gaps++;
    this.#options.log.error(`the ${worker} thread ${why}; started again after ${restartedAfterMs} ms`);
    this.#record({ event: "gap", worker, why, silentMs, restartedAfterMs });
  }

  /** Tells a new life what only the old one knew; the letters that the old one had not taken come after. */
  #restarted(worker: WorkerName, unread: readonly Message[]): readonly Message[] {
    for (const message of this.#unfinished.forNewLife(worker, unread)) this.#crew.post(worker, message);
    // With the policy, the cgroup sampler tells again who its numbers are, and the rescue thread what is lent.
    const again = (names: readonly WorkerName[]): void => {
      for (const name of names) this.#crew.post(name, { type: "policy", policy: this.#policy });
    };
    if (worker === "rescue") again(["cgroups"]);
    // With the policy, they tell again what their numbers mean.
    if (worker === "dataset") again(["cgroups", "host", "vm", "app"]);
    if (worker === "analysis") {
      again(["cgroups", "host", "net", "vm", "app", "callbacks"]);
      this.#crew.post("rescue", { type: "ask-outstanding" });
    }
    if (isLane(worker) || worker === "vm" || worker === "callbacks")
      return this.#laneRestarted(worker, unread);
    if (worker !== "recorder") return unread;
    // With the policy, the process sampler tells again who the largest are.
    again(["processes"]);
    this.board.requestWalk();
    this.#wake("processes");
    return unread;
  }

  /**
   * What a lane failed at is not tried again by itself: it might fail again. Whoever waits for it is told. But what takes
   * something back is, once.
   */
  #laneRestarted(lane: WorkerName, unread: readonly Message[]): readonly Message[] {
    const again = this.#unfinished.toTakeBack(lane);
    for (const report of this.#unfinished.failedReports(lane, Date.now(), again)) {
      this.#crew.post("analysis", { type: "resource-report", report });
      this.#crew.post("recorder", { type: "resource-report", report });
    }
    const kept = unread.filter(({ type }) => type !== "resource-act");
    return [...kept, ...again.map((action): Message => ({ type: "resource-act", action }))];
  }

  #injectFault(worker: WorkerName, kind: 1 | 2): void {
    this.board.injectFault(worker, kind);
    // These wait for letters, and for nothing else.
    if (worker === "recorder" || worker === "vm" || isLane(worker))
      this.#crew.post(worker, { type: "policy", policy: this.#policy });
    else this.#wake(worker);
  }
}
