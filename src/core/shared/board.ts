/**
 * The board: one page of shared memory through which the threads see each other. Who is alive, who has mail, what the
 * memory is like now. Every word has one writer, or is only ever counted up.
 */

export const WORKER_NAMES = [
  "memory",
  "processes",
  "analysis",
  "sentinel",
  "action",
  "recorder",
  "cgroups",
  "rescue",
  "dataset",
  "host",
  "net",
  "vm",
  "cpu-lane",
  "disk-lane",
  "io-lane",
  "net-lane",
  "app",
  "app-lane",
  "callbacks",
] as const;
export type WorkerName = (typeof WORKER_NAMES)[number];
/** The workers that guarding memory always takes; the others come with what the policy or the command asks for. */
export const GUARD_WORKERS = ["memory", "processes", "analysis", "sentinel", "action", "recorder"] as const;

/** Threads for slow actions, started when one comes near and ended when there has been none for long. */
export const LANES = ["cpu-lane", "disk-lane", "io-lane", "net-lane", "app-lane"] as const;
export type LaneName = (typeof LANES)[number];

export function isLane(name: WorkerName): name is LaneName {
  return (LANES as readonly string[]).includes(name);
}

const WORDS_PER_LINE = 16;
/** Words of a worker's line. */
const Word = {
  heartbeatMs: 0,
  epoch: 1,
  mail: 2,
  ready: 3,
  fault: 4,
  mailTaken: 5,
  threadId: 6,
  resting: 7,
} as const;
/** Lines after the workers'. */
const SharedLine = {
  doorbell: 0,
  walkInterval: 1,
  walkRequest: 2,
  worstLevel: 3,
  guardian: 4,
  levers: 5,
  count: 6,
} as const;
const INTS = (WORKER_NAMES.length + SharedLine.count) * WORDS_PER_LINE;

/** Figures of the moment, for the terminal, the status socket and the action lane. */
export const Gauge = {
  timeUs: 0,
  totalBytes: 1,
  availableBytes: 2,
  swapTotalBytes: 3,
  swapFreeBytes: 4,
  fillBytesPerUs: 5,
  timeToExhaustionUs: 6,
  intervalUs: 7,
  stallShare: 8,
  pagesPerSecond: 9,
  processes: 10,
  walkCostUs: 11,
  samples: 12,
  missedTicks: 13,
  worstGapUs: 14,
  criticalLineBytes: 15,
  warningLineBytes: 16,
  /** Id of the mount that the host's sampler is asking just now; 0: none. It stays when the thread hangs in it. */
  mountAsked: 17,
  /** Of a recording: rows of all tables, bytes of their files, rows that were lost, cgroups that are followed now. */
  datasetRows: 24,
  datasetBytes: 25,
  datasetLostRows: 26,
  datasetCgroups: 27,
  /** 1: it ended in order. */
  datasetComplete: 28,
  /** Of the host's sampler, as missedTicks is of memory's or the cgroups'. */
  hostMissedTicks: 29,
} as const;
const GAUGES = 32;

/** Ways to make a worker fail on purpose, for the tests. */
export const FaultKind = { none: 0, throw: 1, hang: 2 } as const;
export type FaultKind = (typeof FaultKind)[keyof typeof FaultKind];

export type BoardMemory = SharedArrayBuffer;

export class Board {
  readonly memory: BoardMemory;
  readonly #words: Int32Array;
  readonly #gauges: Float64Array;

  constructor(memory: BoardMemory = new SharedArrayBuffer(INTS * 4 + GAUGES * 8)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, INTS);
    this.#gauges = new Float64Array(memory, INTS * 4, GAUGES);
  }

  /** Says that the worker lives. Times are milliseconds of the monotonic clock, in 31 bits. */
  beat(worker: WorkerName, nowMs: number): void {
    Atomics.store(this.#words, this.#at(worker, Word.heartbeatMs), nowMs & 0x7fffffff);
  }

  /** Milliseconds since the worker said so. */
  silentMs(worker: WorkerName, nowMs: number): number {
    const since = (nowMs & 0x7fffffff) - Atomics.load(this.#words, this.#at(worker, Word.heartbeatMs));
    // It may have said so after the caller looked at the clock: that is not 24 days ago, but just now.
    return Math.max(0, (since << 1) >> 1);
  }

  /** The worker waits for something to do: it need not say that it lives until there is. */
  setResting(worker: WorkerName, resting: boolean): void {
    Atomics.store(this.#words, this.#at(worker, Word.resting), resting ? 1 : 0);
  }

  isResting(worker: WorkerName): boolean {
    return Atomics.load(this.#words, this.#at(worker, Word.resting)) === 1;
  }

  /** The kernel's number of the worker's thread. */
  setThreadId(worker: WorkerName, threadId: number): void {
    Atomics.store(this.#words, this.#at(worker, Word.threadId), threadId);
  }

  threadId(worker: WorkerName): number {
    return Atomics.load(this.#words, this.#at(worker, Word.threadId));
  }

  /** Which life of the worker is the present one; an older one that still runs must stop. */
  epoch(worker: WorkerName): number {
    return Atomics.load(this.#words, this.#at(worker, Word.epoch));
  }

  nextEpoch(worker: WorkerName): number {
    Atomics.store(this.#words, this.#at(worker, Word.ready), 0);
    this.setResting(worker, false);
    return Atomics.add(this.#words, this.#at(worker, Word.epoch), 1) + 1;
  }

  setReady(worker: WorkerName): void {
    Atomics.store(this.#words, this.#at(worker, Word.ready), 1);
  }

  isReady(worker: WorkerName): boolean {
    return Atomics.load(this.#words, this.#at(worker, Word.ready)) === 1;
  }

  /** Counts the messages sent to the worker, so that it need not look into an empty box. */
  addMail(worker: WorkerName): void {
    Atomics.add(this.#words, this.#at(worker, Word.mail), 1);
  }

  mail(worker: WorkerName): number {
    return Atomics.load(this.#words, this.#at(worker, Word.mail));
  }

  /** How far in the count of {@link mail} its letters have been taken: what a failed life left is its successor's. */
  mailTaken(worker: WorkerName): number {
    return Atomics.load(this.#words, this.#at(worker, Word.mailTaken));
  }

  setMailTaken(worker: WorkerName, count: number): void {
    Atomics.store(this.#words, this.#at(worker, Word.mailTaken), count);
  }

  injectFault(worker: WorkerName, kind: FaultKind): void {
    Atomics.store(this.#words, this.#at(worker, Word.fault), kind);
  }

  /** The fault to commit now; it is taken, so that the next life does not commit it again. */
  takeFault(worker: WorkerName): FaultKind {
    const at = this.#at(worker, Word.fault);
    if (Atomics.load(this.#words, at) === FaultKind.none) return FaultKind.none;
    return Atomics.exchange(this.#words, at, FaultKind.none) as FaultKind;
  }

  /** Wakes the analysis. */
  ring(): void {
    const at = this.#sharedAt(SharedLine.doorbell);
    Atomics.add(this.#words, at, 1);
    Atomics.notify(this.#words, at);
  }

  get rings(): number {
    return Atomics.load(this.#words, this.#sharedAt(SharedLine.doorbell));
  }

  /** Waits until {@link ring} was called after `seen` was read, at most so long. */
  waitForRing(seen: number, timeoutMs: number): void {
    Atomics.wait(this.#words, this.#sharedAt(SharedLine.doorbell), seen, timeoutMs);
  }

  /** How often processes are to be walked, in milliseconds; 0: as on a calm host. */
  get walkIntervalMs(): number {
    return Atomics.load(this.#words, this.#sharedAt(SharedLine.walkInterval));
  }

  set walkIntervalMs(intervalMs: number) {
    Atomics.store(this.#words, this.#sharedAt(SharedLine.walkInterval), Math.ceil(intervalMs));
  }

  /** Counts the walks asked for at once. */
  requestWalk(): void {
    Atomics.add(this.#words, this.#sharedAt(SharedLine.walkRequest), 1);
  }

  get walkRequests(): number {
    return Atomics.load(this.#words, this.#sharedAt(SharedLine.walkRequest));
  }

  /** 0 none, 1 warning, 2 thrashing or critical: what the action lane looks at before it goes on. */
  get worstLevel(): number {
    return Atomics.load(this.#words, this.#sharedAt(SharedLine.worstLevel));
  }

  set worstLevel(level: number) {
    Atomics.store(this.#words, this.#sharedAt(SharedLine.worstLevel), level);
  }

  /** The child that would put limits back lives: without it none may be changed. */
  get guardianAlive(): boolean {
    return Atomics.load(this.#words, this.#sharedAt(SharedLine.guardian)) === 1;
  }

  set guardianAlive(alive: boolean) {
    Atomics.store(this.#words, this.#sharedAt(SharedLine.guardian), alive ? 1 : 0);
  }

  /** The child that would put back what lanes impose lives: without it nothing may be imposed. */
  get leversGuarded(): boolean {
    return Atomics.load(this.#words, this.#sharedAt(SharedLine.levers)) === 1;
  }

  set leversGuarded(guarded: boolean) {
    Atomics.store(this.#words, this.#sharedAt(SharedLine.levers), guarded ? 1 : 0);
  }

  gauge(index: number): number {
    return this.#gauges[index] as number;
  }

  setGauge(index: number, value: number): void {
    this.#gauges[index] = value;
  }

  #at(worker: WorkerName, word: number): number {
    return WORKER_NAMES.indexOf(worker) * WORDS_PER_LINE + word;
  }

  #sharedAt(line: number): number {
    return (WORKER_NAMES.length + line) * WORDS_PER_LINE;
  }
}
