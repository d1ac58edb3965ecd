import fs from "node:fs";
import { KeyedLines } from "../../../core/parse/keyed-lines.ts";
import { nameRange, parseProcessStat, Stat } from "../../../core/parse/process-stat.ts";
import { parseSingleNumber } from "../../../core/parse/single-number.ts";
import type { RuleVerdict } from "../../../core/policy/match.ts";

/** Slots of what {@link ProcessEntry.readMemory} gives. */
export const Status = { anonBytes: 0, sharedBytes: 1, swapBytes: 2 } as const;
const STATUS_KEYS = ["RssAnon:", "RssShmem:", "VmSwap:"];
export const STATUS_FIELDS = STATUS_KEYS.length;

const NOT_OPEN = -1;
/** TASK_COMM_LEN is 16, but a kernel thread's name may be longer (proc(5)). */
const NAME_BYTES = 64;

// One thread walks, one file at a time: all entries share these.
const bytes = Buffer.allocUnsafeSlow(16 * 1024);
/** Where the lines stand depends on little but the kernel, so one memory of them serves for all processes. */
const statusLines = new KeyedLines(STATUS_KEYS.map((key) => ({ key, scale: 1024 })));

/** What is known of one process from walk to walk. A held descriptor answers ESRCH once its process is gone. */
export class ProcessEntry {
  readonly pid: number;
  readonly #directory: string;
  readonly #statPath: string;
  #statDescriptor = NOT_OPEN;
  #statusDescriptor = NOT_OPEN;
  readonly #nameBytes = new Uint8Array(NAME_BYTES);
  #nameLength = 0;
  name = "";
  startTicks = Number.NaN;
  /** The walk that saw it last. */
  walk = 0;
  commandLine: string | null = null;
  uid: number | null = null;
  cgroup: string | null = null;
  cgroupId = Number.NaN;
  cgroupAsOne = Number.NaN;
  /** What the policy's rules say; null: not asked since it came or changed its name. */
  verdict: RuleVerdict | null = null;
  ppid = 0;
  /** What the rules and the ancestors' rules come to, as of walk `resolvedWalk`. */
  resolvedWalk = -1;
  never = false;
  handsDownNever = false;
  preference = 0;
  handsDownPreference = 0;
  /** The recorder has been told who it is. */
  announced = false;
  /** Proportional figures, when they were read (proportional.ts). */
  refinedUs = Number.NEGATIVE_INFINITY;
  sharedAnonShare = 1;
  ownSharedBytes = Number.NaN;

  constructor(procRoot: string, pid: number) {
    this.pid = pid;
    this.#directory = `${procRoot}/${pid}/`;
    this.#statPath = this.path("stat");
  }

  path(file: string): string {
    return this.#directory + file;
  }

  /**
   * Reads /proc/PID/stat into `out[at + Stat.…]`, and notices a new name.
   * @param hold keep the descriptor open for the next walk
   * @returns false when the process is gone
   */
  readStat(out: Float64Array, at: number, hold: boolean): boolean {
    if (this.#statDescriptor === NOT_OPEN && hold) this.#statDescriptor = openOrNot(this.#statPath);
    const length =
      this.#statDescriptor === NOT_OPEN ? readOnce(this.#statPath) : readHeld(this.#statDescriptor);
    if (length <= 0 || !parseProcessStat(bytes, length, out, at)) return false;
    // The last parenthesis has been looked for already: the name ends there.
    this.#takeName((out[at + Stat.nameEnd] as number) + 1);
    return true;
  }

  /**
   * Reads private, shared and swapped memory from /proc/PID/status into `out` (see {@link Status}).
   * @param hold keep the descriptor open for the next walk
   * @returns false when the process is gone
   */
  readMemory(out: Float64Array, hold = true): boolean {
    if (this.#statusDescriptor === NOT_OPEN && hold) this.#statusDescriptor = openOrNot(this.path("status"));
    const length =
      this.#statusDescriptor === NOT_OPEN ? readOnce(this.path("status")) : readHeld(this.#statusDescriptor);
    if (length <= 0) return false;
    statusLines.parse(bytes, length, out, 0);
    return true;
  }

  /** Lets go of what only the largest processes have open. */
  releaseMemory(): void {
    if (this.#statusDescriptor !== NOT_OPEN) fs.closeSync(this.#statusDescriptor);
    this.#statusDescriptor = NOT_OPEN;
  }

  /** /proc/PID/oom_score_adj; NaN when it cannot be read. */
  readOomScoreAdj(): number {
    const length = readOnce(this.path("oom_score_adj"));
    return length > 0 ? parseSingleNumber(bytes, length) : Number.NaN;
  }

  close(): void {
    this.releaseMemory();
    if (this.#statDescriptor !== NOT_OPEN) fs.closeSync(this.#statDescriptor);
    this.#statDescriptor = NOT_OPEN;
  }

  /** A new name means a new program (execve(2)) or a thread that calls itself something: the rules are asked again. */
  #takeName(length: number): void {
    const { begin, end } = nameRange(bytes, length);
    const nameLength = Math.min(end - begin, NAME_BYTES);
    let same = nameLength === this.#nameLength;
    for (let i = 0; same && i < nameLength; i++) same = this.#nameBytes[i] === bytes[begin + i];
    if (same) return;
    this.#nameBytes.set(bytes.subarray(begin, begin + nameLength));
    this.#nameLength = nameLength;
    this.name = bytes.toString("utf8", begin, begin + nameLength);
    this.verdict = null;
    this.commandLine = null;
    this.announced = false;
  }
}

function openOrNot(path: string): number {
  try {
    return fs.openSync(path, fs.constants.O_RDONLY);
  } catch {
    return NOT_OPEN;
  }
}

/** Reads into {@link bytes}. @returns the length, -1 when the process is gone */
function readHeld(descriptor: number): number {
  try {
    return fs.readSync(descriptor, bytes, 0, bytes.length, 0);
  } catch {
    return -1;
  }
}

function readOnce(path: string): number {
  const descriptor = openOrNot(path);
  if (descriptor === NOT_OPEN) return -1;
  const length = readHeld(descriptor);
  fs.closeSync(descriptor);
  return length;
}
