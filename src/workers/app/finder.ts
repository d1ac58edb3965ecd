import type { ApplicationMembers, Kin } from "../../core/app/groups.ts";
import type { PidSource } from "../common/pid-source.ts";
import { LastPid } from "./last-pid.ts";
import { PidChanges } from "./pid-changes.ts";
import { lookAtProcess } from "./process-files.ts";

/**
 * A process is looked at again, as it may execute something else (execve(2)): a new one soon, as a shell's child does so at
 * once; then after about as long as it has lived, at most the last of these.
 */
const AGAIN_US = [0.1, 1, 2, 4, 8, 16, 32, 64].map((seconds) => seconds * 1_000_000);
/** Of those that have lived longer than a few seconds so many are looked at again in one look: the rest waits. */
const SETTLED = 3;
/** Where nothing new has begun, the processes are listed so often: for those that have gone, and for safety. */
const LIST_US = 5_000_000;
const AGAIN_A_LOOK = 32;

interface Known extends Kin {
  /** Place in {@link AGAIN_US}. */
  readonly again: number;
  readonly dueUs: number;
}

/** Keeps applications told of who the host's processes are. Of those that stay, nothing is read. */
export class ProcessFinder {
  readonly #procRoot: string;
  readonly #usPerTick: number;
  readonly #changes: PidChanges;
  readonly #lastPid: LastPid | null;
  readonly #known = new Map<number, Known>();
  /** Who is to be looked at again, by the delay: each is in the order of its times. */
  readonly #again: readonly Map<number, Known>[] = AGAIN_US.map(() => new Map<number, Known>());
  /** The guard, and what it has started: what its commands are called says nothing about them. */
  readonly #own: Set<number>;
  #applications: readonly ApplicationMembers[] = [];
  #nowUs = 0;
  #listUs = 0;
  /** What {@link LastPid} said at the last list. NaN is unlike any other, also unlike itself. */
  #listedPid = Number.NaN;
  #nextUs = Number.POSITIVE_INFINITY;
  readonly #appeared = (pid: number): void => this.#take(pid);
  readonly #gone = (pid: number): void => this.#forget(pid);

  /** @param ownPid the guard's */
  constructor(procRoot: string, source: PidSource, ticksPerSecond: number, ownPid: number) {
    this.#procRoot = procRoot;
    this.#usPerTick = 1e6 / ticksPerSecond;
    this.#changes = new PidChanges(source);
    this.#lastPid = LastPid.tryOpen(procRoot);
    this.#own = new Set([ownPid]);
  }

  /** Other applications: they are told of all processes. */
  setApplications(applications: readonly ApplicationMembers[]): void {
    this.#applications = applications;
    for (const pid of this.#known.keys()) this.#take(pid);
  }

  /** Looks who has come, gone, or may be somebody else now. */
  look(nowUs: number): void {
    this.#nowUs = nowUs;
    const dueUs = this.#nextUs;
    // Before the list: who begins while it is read is seen by the next look.
    const lastPid = this.#lastPid?.read() ?? Number.NaN;
    if (lastPid !== this.#listedPid || nowUs >= this.#listUs) {
      this.#changes.look(this.#appeared, this.#gone);
      this.#listedPid = lastPid;
      this.#listUs = nowUs + LIST_US;
    }
    if (nowUs >= dueUs) this.#lookAgain();
  }

  close(): void {
    this.#changes.close();
    this.#lastPid?.close();
  }

  #lookAgain(): void {
    let room = AGAIN_A_LOOK;
    for (const [delay, waiting] of this.#again.entries()) {
      for (const { pid, dueUs } of waiting.values()) {
        if (dueUs > this.#nowUs || (delay > SETTLED && room-- <= 0)) break;
        this.#take(pid);
      }
    }
    this.#nextUs = Number.POSITIVE_INFINITY;
    for (const waiting of this.#again) {
      for (const { dueUs } of waiting.values()) {
        this.#nextUs = Math.min(this.#nextUs, dueUs);
        break;
      }
    }
  }

  #take(pid: number): void {
    const before = this.#known.get(pid);
    if (before !== undefined) this.#again[before.again]?.delete(pid);
    const seen = lookAtProcess(this.#procRoot, pid);
    // It has gone meanwhile, which the next look tells; a thread of the kernel never becomes anything else.
    if (seen === null || seen === "kernel") return;
    const { startTicks, ppid } = seen;
    if (before !== undefined && before.startTicks !== startTicks) this.#forget(pid);
    if (this.#own.has(pid)) return;
    if (this.#own.has(ppid)) {
      this.#own.add(pid);
      return;
    }
    // Of a host that has slept, the ticks go on: it seems younger, and is looked at the sooner.
    const ageUs = this.#nowUs - startTicks * this.#usPerTick;
    const again = Math.max(
      0,
      AGAIN_US.findLastIndex((delayUs) => delayUs <= ageUs),
    );
    const dueUs = this.#nowUs + (AGAIN_US[again] as number);
    const known = { pid, startTicks, ppid, again, dueUs };
    this.#known.set(pid, known);
    this.#again[again]?.set(pid, known);
    this.#nextUs = Math.min(this.#nextUs, known.dueUs);
    for (const application of this.#applications) application.take(seen, this.#known);
  }

  #forget(pid: number): void {
    const known = this.#known.get(pid);
    if (known !== undefined) this.#again[known.again]?.delete(pid);
    this.#known.delete(pid);
    this.#own.delete(pid);
    for (const application of this.#applications) application.remove(pid);
  }
}
