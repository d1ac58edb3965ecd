import { Worker } from "node:worker_threads";
import type { Envelope, Message } from "../../core/messages.ts";
import { type Board, isLane, LANES, WORKER_NAMES, type WorkerName } from "../../core/shared/board.ts";
import { monotonicUs } from "../../workers/common/clock.ts";
import type { WorkerStart } from "../../workers/common/worker.ts";
import type { ThreadWatch } from "./thread-watch.ts";

/** The built file of each worker, from dist/src/main/coordinator. */
const FILES: Readonly<Record<WorkerName, string>> = {
  memory: "../../workers/sampler/memory/worker.js",
  processes: "../../workers/sampler/processes/worker.js",
  analysis: "../../workers/analysis/worker.js",
  sentinel: "../../workers/sentinel/worker.js",
  action: "../../workers/action/worker.js",
  recorder: "../../workers/recorder/worker.js",
  cgroups: "../../workers/sampler/cgroups/worker.js",
  rescue: "../../workers/rescue/worker.js",
  dataset: "../../workers/dataset/worker.js",
  host: "../../workers/sampler/host/worker.js",
  net: "../../workers/net/worker.js",
  vm: "../../workers/vm/worker.js",
  "cpu-lane": "../../workers/lane/cpu/worker.js",
  "disk-lane": "../../workers/lane/disk/worker.js",
  "io-lane": "../../workers/lane/io/worker.js",
  "net-lane": "../../workers/lane/net/worker.js",
  app: "../../workers/app/worker.js",
  "app-lane": "../../workers/lane/app/worker.js",
  callbacks: "../../workers/callbacks/worker.js",
};

/** All code has to be read from disk first, perhaps on a host that is busy already. */
const START_LIMIT_MS = 60_000;
const CHECK_MS = 330;
/** Back-off of a worker that fails again and again; forgotten after a minute without a failure. */
const BACK_OFF_MS = 50;
const BACK_OFF_LIMIT_MS = 5000;
const HEALTHY_MS = 60_000;
/** Letters are kept for a successor until they are taken, at most so many. */
const KEPT_LETTERS = 1024;
/** A young generation of 1 MiB is enough for threads that hardly allocate, and keeps them small. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 128 } as const;

const BEGINS_LANE: ReadonlySet<Message["type"]> = new Set(["resource-act", "prepare"]);

interface Member {
  worker: Worker;
  epoch: number;
  startedMs: number;
  failures: number;
  lastFailureMs: number;
  /** While it is being replaced. */
  replacing: boolean;
  /** Letters that it may not have taken yet, by their place in the count. */
  readonly letters: { readonly number: number; readonly message: Message }[];
}

export interface CrewHooks {
  /** What is common to all workers' starts. */
  readonly startOf: (name: WorkerName, epoch: number, mailBefore: number) => WorkerStart;
  /** Messages for the coordinator itself. */
  readonly onMessage: (from: WorkerName, message: Message) => void;
  /** A worker failed and its successor has been started. */
  readonly onGap: (worker: WorkerName, why: string, silentMs: number, restartedAfterMs: number) => void;
  /**
   * A new life of a worker is ready to be told what it missed; what its old life had not read is sent after that.
   * @returns what of it is to be sent
   */
  readonly onRestarted: (worker: WorkerName, unread: readonly Message[]) => readonly Message[];
  /** A message goes from one worker to another. */
  readonly onRelay: (to: WorkerName, message: Message) => void;
  /** Wakes a worker that waits in poll(2) or on the doorbell. */
  readonly wake: (worker: WorkerName) => void;
}

const nowMs = (): number => monotonicUs() / 1000;

/** The workers: started, spoken to, watched, and started again. */
export class Crew {
  readonly #board: Board;
  readonly #hooks: CrewHooks;
  readonly #names: WorkerName[] = [];
  readonly #members = new Map<WorkerName, Member>();
  readonly #watch: ThreadWatch;
  #timer: NodeJS.Timeout | null = null;
  #lastCheckMs = 0;
  #stopping = false;

  constructor(board: Board, watch: ThreadWatch, hooks: CrewHooks) {
    this.#board = board;
    this.#watch = watch;
    this.#hooks = hooks;
    // What a worker's own streams hold is piped into these, each pipe with a listener.
    for (const stream of [process.stdout, process.stderr])
      stream.setMaxListeners(stream.getMaxListeners() + WORKER_NAMES.length);
  }

  /**
   * Starts workers and waits until all are ready. Messages to others are not sent.
   * @throws Error with the first failure of a start
   */
  async start(names: readonly WorkerName[]): Promise<void> {
    this.#names.push(...names);
    const failed = new Promise<never>((_, reject) => {
      for (const name of this.#names) this.#spawn(name).worker.once("error", reject);
    });
    const deadlineMs = nowMs() + START_LIMIT_MS;
    const ready = async (): Promise<void> => {
      while (!this.#names.every((name) => this.#board.isReady(name))) {
        if (nowMs() > deadlineMs) {
          const late = this.#names.filter((name) => !this.#board.isReady(name));
          throw new Error(
            `expected all workers to be ready within ${START_LIMIT_MS} ms, these are not: ${late.join(", ")}`,
          );
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await Promise.race([ready(), failed]);
    this.#lastCheckMs = nowMs();
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  /** The workers that there are. */
  get names(): readonly WorkerName[] {
    return this.#names;
  }

  /** Starts one more worker, if there is none of that name: what a new policy asks for. */
  add(name: WorkerName): void {
    if (this.#names.includes(name)) return;
    this.#names.push(name);
    this.#spawn(name);
  }

  /** Ends a worker that has nothing to do. */
  retire(name: WorkerName): void {
    const member = this.#members.get(name);
    // Something has come for it in the meantime.
    if (member === undefined || member.replacing || this.#board.mail(name) !== this.#board.mailTaken(name))
      return;
    this.post(name, { type: "stop" });
    this.#members.delete(name);
    this.#names.splice(this.#names.indexOf(name), 1);
  }

  /** Sends a message to a worker, and wakes it. */
  post(to: WorkerName, message: Message): void {
    // A lane begins with the first thing that it is told to do.
    if (isLane(to) && BEGINS_LANE.has(message.type) && !this.#stopping) this.add(to);
    const member = this.#members.get(to);
    if (member === undefined) return;
    member.worker.postMessage({ to, message } satisfies Envelope);
    this.#board.addMail(to);
    this.#forgetTaken(to, member);
    member.letters.push({ number: this.#board.mail(to), message });
    if (member.letters.length > KEPT_LETTERS) member.letters.shift();
    this.#hooks.wake(to);
  }

  #forgetTaken(name: WorkerName, { letters }: Member): void {
    const taken = this.#board.mailTaken(name);
    while (letters[0] !== undefined && ((letters[0].number - taken) | 0) <= 0) letters.shift();
  }

  postToAll(message: Message): void {
    for (const name of this.#names) this.post(name, message);
  }

  /**
   * Asks all to stop and ends those that do not within the time. One after the other, so that each still hears what the
   * one before it did: a signal that was sent in the last moment goes on record.
   * @param datasetLimitMs for what is recorded to be written to its end, and by the kernel to the disk
   */
  async stop(limitMs: number, datasetLimitMs: number): Promise<void> {
    this.#stopping = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#stopThese(
      ["sentinel", "memory", "processes", "cgroups", "rescue", "host", "net", "app"],
      limitMs * 0.3,
    );
    await this.#stopThese(["analysis"], limitMs * 0.2);
    await this.#stopThese(["action", "vm", "callbacks", ...LANES], limitMs * 0.3);
    await this.#stopThese(["recorder"], limitMs * 0.2);
    await this.#stopThese(["dataset"], datasetLimitMs);
  }

  async #stopThese(names: readonly WorkerName[], limitMs: number): Promise<void> {
    const exits = names.flatMap((name) => {
      const member = this.#members.get(name);
      if (member === undefined) return [];
      const exited = new Promise<void>((resolve) => member.worker.once("exit", () => resolve()));
      this.post(name, { type: "stop" });
      return [exited];
    });
    const late = new Promise<void>((resolve) => setTimeout(resolve, limitMs).unref());
    await Promise.race([Promise.all(exits), late]);
    // A worker blocked in the kernel cannot be ended; the process's end takes it along.
    for (const name of names) void this.#members.get(name)?.worker.terminate();
  }

  #spawn(name: WorkerName): Member {
    const epoch = this.#board.nextEpoch(name);
    const before = this.#members.get(name);
    const workerData = this.#hooks.startOf(name, epoch, this.#board.mail(name));
    this.#board.setMailTaken(name, this.#board.mail(name));
    const url = new URL(FILES[name], import.meta.url);
    this.#board.beat(name, nowMs());
    const worker = new Worker(url, { workerData, name: `plimsoll-${name}`, resourceLimits: RESOURCE_LIMITS });
    const member: Member = {
      worker,
      epoch,
      startedMs: nowMs(),
      failures: before?.failures ?? 0,
      lastFailureMs: before?.lastFailureMs ?? 0,
      replacing: false,
      letters: [],
    };
    this.#members.set(name, member);
    worker.on("message", (envelope: Envelope) => this.#route(name, envelope));
    worker.on("error", (error: Error) => this.#failed(name, member, `threw: ${error.message}`));
    worker.on("exit", (code) => this.#failed(name, member, `ended with code ${code}`));
    return member;
  }

  #route(from: WorkerName, { to, message }: Envelope): void {
    if (to === "coordinator") return this.#hooks.onMessage(from, message);
    this.#hooks.onRelay(to, message);
    this.post(to, message);
  }

  #check(): void {
    const now = nowMs();
    const late = now - this.#lastCheckMs > 2 * CHECK_MS;
    this.#lastCheckMs = now;
    // When this thread itself was held up, the others may have been too: silence says nothing until the next time.
    if (late) return;
    for (const [name, member] of this.#members) {
      if (!this.#board.isReady(name) && now - member.startedMs < START_LIMIT_MS) continue;
      const trouble = this.#watch.trouble(name, now);
      if (trouble !== null) this.#failed(name, member, trouble.why, trouble.canBeEnded);
    }
  }

  #failed(name: WorkerName, member: Member, why: string, canBeEnded = true): void {
    if (this.#stopping || member.replacing || this.#members.get(name) !== member) return;
    member.replacing = true;
    const failedMs = nowMs();
    const silentMs = this.#board.silentMs(name, failedMs);
    const failures = failedMs - member.lastFailureMs > HEALTHY_MS ? 0 : member.failures;
    const waitMs = failures === 0 ? 0 : Math.min(BACK_OFF_LIMIT_MS, BACK_OFF_MS * 2 ** failures);
    member.failures = failures + 1;
    member.lastFailureMs = failedMs;
    // Ended inside a native call it would take the process down. It ends itself if it ever returns: its life is over.
    if (canBeEnded) void member.worker.terminate();
    setTimeout(() => {
      if (this.#stopping) return;
      this.#forgetTaken(name, member);
      this.#spawn(name);
      const unread = member.letters.map(({ message }) => message);
      for (const message of this.#hooks.onRestarted(name, unread)) this.post(name, message);
      this.#hooks.onGap(name, why, Math.round(silentMs), Math.round(nowMs() - failedMs));
    }, waitMs);
  }
}
