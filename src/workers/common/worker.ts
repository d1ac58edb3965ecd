import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { CgroupIdentity } from "../../core/cgroups/columns.ts";
import type { Envelope, Message } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { Resource } from "../../core/resources/resource.ts";
import type { SharedRing } from "../../core/ring/views.ts";
import { Board, FaultKind, type WorkerName } from "../../core/shared/board.ts";
import { threadId } from "../../native/system.ts";
import { monotonicUs } from "./clock.ts";
import type { HostRoots } from "./roots.ts";

export type ResourceRings = Readonly<Record<Resource, SharedRing>>;

/** Descriptors that the coordinator opens once and that outlive a worker: shared by all its lives. */
export interface SharedDescriptors {
  /** The memory sampler's clock. */
  readonly samplerTimer: number;
  /** The cgroup sampler's clock. */
  readonly cgroupsTimer: number;
  /** Wake the sentinel, the process sampler, the cgroup sampler, the action lane, the rescue thread, the host's sampler, the
   * thread that listens to interfaces, the applications' sampler out of poll(2). */
  readonly sentinelEvent: number;
  readonly processesEvent: number;
  readonly cgroupsEvent: number;
  readonly actionEvent: number;
  readonly rescueEvent: number;
  readonly hostEvent: number;
  readonly netEvent: number;
  readonly appEvent: number;
  /** The clock of the host's sampler. */
  readonly hostTimer: number;
  /** Both ends of the talk with the helper that starts commands; -1 without one. */
  readonly helperInput: number;
  readonly helperOutput: number;
  /** /dev/kmsg, -1 when it cannot be written. */
  readonly kernelLog: number;
}

/** Where a recording goes. */
export interface DatasetStart {
  readonly directory: string;
  /** With the datasets of earlier starts beside it. Infinite: nothing is removed. */
  readonly limitBytes: number;
  /** Rows wait at most so long; not so long as a second in all when not given. A batch costs about a kilobyte, however few they are. */
  readonly flushMs?: number;
  /** Nobody guards (`plimsoll record`): samplers keep to one beat, and that of cgroups fills the memory ring too. */
  readonly only: boolean;
}

/** What every worker is started with. */
export interface WorkerStart {
  readonly name: WorkerName;
  readonly epoch: number;
  /** Letters that earlier lives got. */
  readonly mailBefore: number;
  readonly board: SharedArrayBuffer;
  readonly order: SharedArrayBuffer;
  readonly memoryRing: SharedRing;
  readonly processRing: SharedRing;
  /** Rings of the cgroup sampler: columns of core/cgroups/columns.ts. */
  readonly usageRing: SharedRing;
  readonly detailRing: SharedRing;
  /** Rings of the other resources, columns of core/resources/tables.ts. */
  readonly resourceRings: ResourceRings;
  /** Standing orders of rescues: core/rescue/board.ts. */
  readonly rescueOrders: SharedArrayBuffer;
  /** Where the changes of limits are written down before they are made: core/rescue/journal.ts. */
  readonly journalPath: string;
  /** Where lanes write down what they impose before they do: core/levers/journal.ts. Null: they impose nothing. */
  readonly leversDirectory: string | null;
  /** To the cgroup sampler: whom an earlier life of it numbered, so that they stay who they are. */
  readonly knownCgroups: readonly CgroupIdentity[];
  /** What is sampled is recorded there. Null: nowhere. */
  readonly dataset: DatasetStart | null;
  readonly descriptors: SharedDescriptors;
  readonly roots: HostRoots;
  readonly policy: Policy;
  readonly idPrefix: string;
  readonly units: { readonly ticksPerSecond: number; readonly pageBytes: number };
  /** Where the audit log is; null: it could not be opened, and why was said. */
  readonly auditPath: string | null;
}

/** The id of an end by which the analysis learns that nothing is under way, whatever an earlier life began. */
export const NO_ACTION = "";

/** A thread that does not rest says at least this often that it lives. */
export const BEAT_MS = 500;
/** Who waits for something to do is woken when there is; but not even a lost wake-up shall be for ever. */
const REST_MS = 30_000;

/** A worker's side of the house: its start, its heartbeat, its letters. */
export class WorkerContext {
  readonly start: WorkerStart;
  readonly board: Board;
  #mailSeen: number;

  constructor(start: WorkerStart) {
    this.start = start;
    this.#mailSeen = start.mailBefore;
    this.board = new Board(start.board);
    this.board.setThreadId(start.name, threadId());
  }

  /** What the coordinator handed to this thread. */
  static current(): WorkerContext {
    return new WorkerContext(workerData as WorkerStart);
  }

  ready(): void {
    this.alive();
    this.board.setReady(this.start.name);
  }

  /**
   * To be called once a turn of the worker's loop.
   * @returns false when a newer life of this worker has begun: stop at once, touch nothing
   */
  alive(): boolean {
    const { name, epoch } = this.start;
    if (this.board.epoch(name) !== epoch) return false;
    this.board.setResting(name, false);
    this.board.beat(name, monotonicUs() / 1000);
    const fault = this.board.takeFault(name);
    if (fault === FaultKind.throw) throw new Error("told to fail");
    // oxlint-disable-next-line no-empty
    if (fault === FaultKind.hang) for (;;) {}
    return true;
  }

  /** To be said before waiting for something to do; {@link alive} ends it. @returns how long to wait at most */
  rest(): number {
    this.board.setResting(this.start.name, true);
    return REST_MS;
  }

  /** The next message, null when there is none. Asking costs one look at shared memory. */
  receive(): Message | null {
    if (parentPort === null || this.board.mail(this.start.name) === this.#mailSeen) return null;
    const received = receiveMessageOnPort(parentPort) as { message: Envelope } | undefined;
    if (received === undefined) return null;
    this.tookLetter();
    return received.message.message;
  }

  /** Says that a letter was taken: for a worker with an event loop, to which they come by themselves. */
  tookLetter(): void {
    this.#mailSeen = (this.#mailSeen + 1) | 0;
    this.board.setMailTaken(this.start.name, this.#mailSeen);
  }

  /** Whether samples are taken for a recording alone. */
  get onlyRecords(): boolean {
    return this.start.dataset?.only === true;
  }

  /** Tells what numbers mean, to all who read the samples. */
  announce(message: Extract<Message, { type: "names" }>): void {
    if (!this.onlyRecords) this.send("analysis", message);
    if (this.start.dataset !== null) this.send("dataset", message);
  }

  send(to: Envelope["to"], message: Message): void {
    parentPort?.postMessage({ to, message } satisfies Envelope);
  }

  log(severity: "info" | "warn" | "error", text: string): void {
    this.send("coordinator", { type: "log", severity, text: `${this.start.name}: ${text}` });
  }
}
