import type { Culprit } from "../../core/cpu/action.ts";
import type { ProcessRef } from "../../core/resources/report.ts";
import { closeDescriptor } from "../../native/descriptor.ts";
import { releaseMemory, Signal, signalPidfd } from "../../native/pidfd.ts";
import { PollEvent, PollSet } from "../../native/poll.ts";
import { signalGroup } from "../common/process-group.ts";
import type { HostRoots } from "../common/roots.ts";
import { openTarget } from "../common/target.ts";
import { type Group, groupOf, type Member } from "./group.ts";

/** Rounds in which members of a group are stopped, until a round finds no new ones: a fork bomb breeds meanwhile. */
const STOP_ROUNDS = 10;

/** What came of a signal. `sent` counts processes. */
export interface SignalResult {
  readonly sent: number;
  readonly gone: number;
  /** First refusal by the kernel other than "gone". */
  readonly refusal: string | null;
}

/** The processes of an action, each held by a pidfd: signalled, relieved of their memory, watched until they are gone. */
export class Targets {
  readonly #roots: HostRoots;
  readonly #candidate: Culprit;
  readonly #group: Group;
  readonly #ownPid: number;
  readonly #pidfds = new Map<string, number>();
  readonly #gone = new Set<string>();

  constructor(roots: HostRoots, candidate: Culprit, ownPid: number) {
    this.#roots = roots;
    this.#candidate = candidate;
    this.#group = groupOf(roots, candidate);
    this.#ownPid = ownPid;
  }

  /** Takes over a pidfd that the sentinel opened and signalled through. */
  adopt(pidfd: number): void {
    this.#pidfds.set(identity(this.#candidate), pidfd);
  }

  /** Sends a signal to all of them, to a group in a way that nothing can breed meanwhile. */
  signal(signal: number): SignalResult {
    if (this.#candidate.kind === "process") return this.#signalMembers(this.#candidate.members, signal);
    if (this.#candidate.kind === "process-group" && this.#signalGroup(signal)) {
      return { sent: this.#hold(this.#group.members()), gone: 0, refusal: null };
    }
    if (signal !== Signal.kill) return this.#signalMembers(this.#group.members(), signal);
    if (this.#group.killAtOnce()) return { sent: this.#hold(this.#group.members()), gone: 0, refusal: null };
    return this.#stopThenKill();
  }

  /** Has the dying processes' memory freed now: process_mrelease. @returns how many the kernel did it for */
  release(): number {
    // Of a group that the sentinel ended, only one member is held so far.
    if (this.#candidate.kind !== "process") this.#hold(this.#group.members());
    let released = 0;
    for (const pidfd of this.#pidfds.values()) if (releaseMemory(pidfd) === null) released++;
    return released;
  }

  /** Waits until one of them is gone, at most so long. @returns whether all are gone */
  waitGone(timeoutMs: number): boolean {
    const waiting = [...this.#pidfds].filter(([member]) => !this.#gone.has(member));
    if (waiting.length === 0) return this.#allGone();
    const poll = new PollSet(waiting.length);
    for (const [i, [, pidfd]] of waiting.entries()) poll.set(i, pidfd, PollEvent.in);
    if (poll.wait(timeoutMs) === 0) return false;
    for (const [i, [member]] of waiting.entries()) if (poll.happened(i) !== 0) this.#gone.add(member);
    return this.#allGone();
  }

  /** Those that are held: they were signalled. */
  get held(): readonly ProcessRef[] {
    return [...this.#pidfds.keys()].map((member) => {
      const [pid, startTicks] = member.split(":").map(Number) as [number, number];
      return { pid, startTicks };
    });
  }

  close(): void {
    for (const pidfd of this.#pidfds.values()) closeDescriptor(pidfd);
    this.#pidfds.clear();
  }

  /** All that were held are gone, and, of a group, no new ones have come. */
  #allGone(): boolean {
    for (const member of this.#pidfds.keys()) if (!this.#gone.has(member)) return false;
    if (this.#candidate.kind === "process") return true;
    const left = this.#group.members().filter((member) => !this.#gone.has(identity(member)));
    if (left.length === 0) return true;
    for (const member of left) this.#open(member);
    return false;
  }

  /** By any of its members that still lives. */
  #signalGroup(signal: number): boolean {
    return this.#candidate.members.some((member) => {
      const pidfd = this.#open(member);
      if (typeof pidfd !== "number") return false;
      return signalGroup(this.#roots.proc, this.#candidate.id, { pid: member.pid, pidfd }, signal) === 0;
    });
  }

  /** Stops all, until none is new: what is stopped cannot breed. Then ends them. */
  #stopThenKill(): SignalResult {
    const stopped = new Set<string>();
    for (let round = 0; round < STOP_ROUNDS; round++) {
      const fresh = this.#group.members().filter((member) => !stopped.has(identity(member)));
      if (fresh.length === 0) break;
      this.#signalMembers(fresh, Signal.stop);
      for (const member of fresh) stopped.add(identity(member));
    }
    return this.#signalMembers(this.#group.members(), Signal.kill);
  }

  #signalMembers(members: readonly Member[], signal: number): SignalResult {
    const result = { sent: 0, gone: 0, refusal: null as string | null };
    for (const member of members) {
      if (member.pid === this.#ownPid) continue;
      const pidfd = this.#open(member);
      const error = typeof pidfd === "number" ? signalPidfd(pidfd, signal) : pidfd;
      if (error === null) result.sent++;
      else if (error.code === "ESRCH") result.gone++;
      else result.refusal ??= error.code;
    }
    return result;
  }

  #hold(members: readonly Member[]): number {
    for (const member of members) this.#open(member);
    return members.length;
  }

  #open(member: Member): number | { readonly code: string } {
    const held = this.#pidfds.get(identity(member));
    if (held !== undefined) return held;
    const target = openTarget(this.#roots.proc, member.pid, member.startTicks);
    if (typeof target === "number") this.#pidfds.set(identity(member), target);
    return target;
  }
}

function identity(member: Member): string {
  return `${member.pid}:${member.startTicks}`;
}
