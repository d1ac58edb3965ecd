import type { ApplicationMembers, Kin } from "../../core/app/groups.ts";
import type { PidSource } from "../common/pid-source.ts";
import { PidChanges } from "./pid-changes.ts";
import { lookAtProcess } from "./process-files.ts";

/**
 * After so long a process is looked at again, each time it is, as it may execute something else (execve(2)): first at the
 * next look, as a shell's child does at once; then after about as long as it has been known.
 */
const AGAIN_US = [0, 1, 2, 4, 8, 16, 32, 64].map((seconds) => seconds * 1_000_000);

interface Known extends Kin {
  /** Place in {@link AGAIN_US}. */
  again: number;
  dueUs: number;
}

/** Keeps applications told of who the host's processes are. Of those that stay, nothing is read. */
export class ProcessFinder {
  readonly #procRoot: string;
  readonly #changes: PidChanges;
  readonly #known = new Map<number, Known>();
  /** Who is to be looked at again, by the delay: each is in the order of its times. */
  readonly #again: readonly Map<number, Known>[] = AGAIN_US.map(() => new Map<number, Known>());
  /** The guard, and what it has started: what its commands are called says nothing about them. */
  readonly #own: Set<number>;
  #applications: readonly ApplicationMembers[] = [];
  #nowUs = 0;
  #nextUs = Number.POSITIVE_INFINITY;
  readonly #appeared = (pid: number): void => this.#take(pid, 0);
  readonly #gone = (pid: number): void => this.#forget(pid);

  /** @param ownPid the guard's */
  constructor(procRoot: string, source: PidSource, ownPid: number) {
    this.#procRoot = procRoot;
    this.#changes = new PidChanges(source);
    this.#own = new Set([ownPid]);
  }

  /** Other applications: they are told of all processes. */
  setApplications(applications: readonly ApplicationMembers[]): void {
    this.#applications = applications;
    for (const pid of this.#known.keys()) this.#take(pid, this.#known.get(pid)?.again ?? 0);
  }

  /** Looks who has come, gone, or may be somebody else now. */
  look(nowUs: number): void {
    this.#nowUs = nowUs;
    const dueUs = this.#nextUs;
    this.#changes.look(this.#appeared, this.#gone);
    if (nowUs >= dueUs) this.#lookAgain();
  }

  close(): void {
    this.#changes.close();
  }

  #lookAgain(): void {
    for (const [delay, waiting] of this.#again.entries()) {
      for (const known of waiting.values()) {
        if (known.dueUs > this.#nowUs) break;
        this.#take(known.pid, Math.min(delay + 1, AGAIN_US.length - 1));
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

  /** @param again how long it is then left alone: place in {@link AGAIN_US} */
  #take(pid: number, again: number): void {
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
    const known = { pid, startTicks, ppid, again, dueUs: this.#nowUs + (AGAIN_US[again] as number) };
    // One that was somebody else begins anew.
    if (before !== undefined && before.startTicks !== startTicks) known.again = 0;
    this.#known.set(pid, known);
    this.#again[known.again]?.set(pid, known);
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
