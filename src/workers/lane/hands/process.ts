import fs from "node:fs";
import type { HeldLever } from "../../../core/levers/journal.ts";
import type { Lever, NiceLever, StopLever } from "../../../core/levers/lever.ts";
import { Stat } from "../../../core/parse/process-stat.ts";
import { closeDescriptor } from "../../../native/descriptor.ts";
import { Signal, signalPidfd } from "../../../native/pidfd.ts";
import { niceOf, setNice } from "../../../native/priority.ts";
import { effectiveCapabilities, holds } from "../../common/capabilities.ts";
import { openTarget, readProcessStat } from "../../common/target.ts";
import { type Found, found, type Hand, type PutBack, refused } from "./hand.ts";

/** capabilities(7): whose nice value may be lowered again. */
const CAP_SYS_NICE = 23;
const STOPPED: ReadonlySet<number> = new Set(["T", "t"].map((letter) => letter.charCodeAt(0)));
/** A thread that starts meanwhile has its creator's value: until a round finds none that is left. */
const ROUNDS = 10;

function startTicksOf(procRoot: string, pid: number): number | null {
  return readProcessStat(procRoot, pid)?.[Stat.startTicks] ?? null;
}

/** The numbers of a process's threads; none when it is gone. */
function threadsOf(procRoot: string, pid: number): number[] {
  try {
    return fs.readdirSync(`${procRoot}/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

/** A thread's nice value; null when it is gone. */
function niceOrNull(threadId: number): number | null {
  const nice = niceOf(threadId);
  return typeof nice === "number" ? nice : null;
}

/** SIGSTOP and SIGCONT, by pidfd: nobody else is meant. */
export class StopHand implements Hand {
  readonly #procRoot: string;
  readonly #lever: StopLever;

  constructor(procRoot: string, lever: StopLever) {
    this.#procRoot = procRoot;
    this.#lever = lever;
  }

  look(held: HeldLever | null): Found {
    const { pid, startTicks } = this.#lever;
    const values = readProcessStat(this.#procRoot, pid);
    if (values === null || values[Stat.startTicks] !== startTicks) return refused("it is gone");
    // It would be made to go on, which whoever stopped it did not want.
    if (held === null && STOPPED.has(values[Stat.state] as number))
      return refused("it is stopped already, by somebody else");
    return found(null);
  }

  apply(): string | null {
    return this.#signal(Signal.stop);
  }

  parts(): readonly [] {
    return [];
  }

  /** Sent whatever its state is: a stop that is on its way is taken back by it too (signal(7)). */
  putBack(): PutBack {
    const refusal = this.#signal(Signal.continue);
    if (refusal === null) return { end: "done", text: "goes on" };
    return refusal === "ESRCH" ? { end: "gone", text: "is gone" } : { end: "waits", text: refusal };
  }

  #signal(signal: number): string | null {
    const target = openTarget(this.#procRoot, this.#lever.pid, this.#lever.startTicks);
    if (typeof target !== "number") return target.code;
    const error = signalPidfd(target, signal);
    closeDescriptor(target);
    return error?.code ?? null;
  }
}

/** A process's nice value, thread by thread. */
export class NiceHand implements Hand {
  readonly #procRoot: string;
  readonly #lever: NiceLever;
  /** What is imposed now, when another value is about to be. */
  #heldValue: number | null = null;

  constructor(procRoot: string, lever: NiceLever) {
    this.#procRoot = procRoot;
    this.#lever = lever;
  }

  get #isThere(): boolean {
    return startTicksOf(this.#procRoot, this.#lever.pid) === this.#lever.startTicks;
  }

  look(held: HeldLever | null): Found {
    const { pid, value } = this.#lever;
    this.#heldValue = held !== null && "value" in held.lever ? Number(held.lever.value) : null;
    if (!holds(effectiveCapabilities(this.#procRoot), CAP_SYS_NICE))
      return refused("it could not be put back without CAP_SYS_NICE");
    const nice = this.#isThere ? niceOrNull(pid) : null;
    if (nice === null) return refused("it is gone");
    if (held === null && nice >= value) return refused(`it has a nice value of ${nice} already`);
    const parts = threadsOf(this.#procRoot, pid).flatMap((thread) => this.#part(thread, nice));
    return found(String(nice), held === null ? parts : []);
  }

  /** A thread that has not the process's value, and would get the new one: it has its own to be put back to. */
  #part(thread: number, processNice: number): Found["parts"] {
    const { pid, value } = this.#lever;
    const nice = niceOrNull(thread);
    const startTicks = startTicksOf(this.#procRoot, thread);
    if (thread === pid || nice === null || startTicks === null) return [];
    if (nice === processNice || nice >= value) return [];
    return [{ lever: { kind: "thread", pid: thread, startTicks, value }, present: String(nice) }];
  }

  apply(): string | null {
    const { pid, value } = this.#lever;
    for (let round = 0; round < ROUNDS; round++) {
      const left = threadsOf(this.#procRoot, pid).filter((thread) => this.#isToChange(niceOrNull(thread)));
      if (left.length === 0) return null;
      for (const thread of left) {
        const refusal = this.#isThere ? setNice(thread, value) : null;
        if (refusal !== null && refusal.code !== "ESRCH") return refusal.code;
      }
    }
    return null;
  }

  #isToChange(nice: number | null): boolean {
    const { value } = this.#lever;
    return nice !== null && (nice < value || (nice === this.#heldValue && nice !== value));
  }

  parts(): readonly Lever[] {
    if (this.#lever.kind === "thread") return [];
    const { value } = this.#lever;
    return threadsOf(this.#procRoot, this.#lever.pid).flatMap((pid) => {
      const startTicks = startTicksOf(this.#procRoot, pid);
      return startTicks === null ? [] : [{ kind: "thread", pid, startTicks, value }];
    });
  }

  putBack({ original: text, before }: HeldLever): PutBack {
    const { pid, value, kind } = this.#lever;
    const original = Number(text);
    const ours: ReadonlySet<number> = new Set([value, Number(before)]);
    if (!this.#isThere) return { end: "gone", text: "is gone" };
    const nice = niceOrNull(pid);
    const isOurs = nice === null || nice === original || ours.has(nice);
    // Threads that it started meanwhile have its value.
    for (const thread of kind === "thread" ? [pid] : threadsOf(this.#procRoot, pid)) {
      const present = niceOrNull(thread);
      if (present === null || present === original || !ours.has(present)) continue;
      const refusal = setNice(thread, original);
      if (refusal !== null && refusal.code !== "ESRCH") return { end: "waits", text: refusal.code };
    }
    if (isOurs) return { end: "done", text: `${original} again` };
    return { end: "left", text: `is ${nice}, which is not the guard's: left so` };
  }
}
