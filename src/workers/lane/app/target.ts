import os from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { Stat } from "../../../core/parse/process-stat.ts";
import type { ProcessRef } from "../../../core/resources/report.ts";
import { closeDescriptor } from "../../../native/descriptor.ts";
import { Signal, signalPidfd } from "../../../native/pidfd.ts";
import { PollEvent, PollSet } from "../../../native/poll.ts";
import { openTarget, readProcessStat } from "../../common/target.ts";

const LOOK_MS = 10;
const NO_SUCH_PROCESS = "ESRCH";

/** What came of a signal. */
export type Signalled = "sent" | "gone" | { readonly refusal: string };

/** The application's main process: held by its pidfd, so that no other is signalled who gets its number. */
export class AppTarget {
  readonly ref: ProcessRef;
  readonly #procRoot: string;
  readonly #pidfd: number | string;
  readonly #poll: PollSet | null;

  constructor(procRoot: string, ref: ProcessRef) {
    this.ref = ref;
    this.#procRoot = procRoot;
    const opened = openTarget(procRoot, ref.pid, ref.startTicks);
    this.#pidfd = typeof opened === "number" ? opened : opened.code;
    this.#poll = typeof opened === "number" ? new PollSet(1) : null;
    if (typeof opened === "number") this.#poll?.set(0, opened, PollEvent.in);
  }

  /** By its name, such as SIGUSR1 (signal(7)). */
  signal(name: string): Signalled {
    const number = os.constants.signals[name as NodeJS.Signals];
    if (number === undefined) return { refusal: `this host knows no ${name}` };
    if (typeof this.#pidfd === "string") return asSignalled(this.#pidfd);
    const error = signalPidfd(this.#pidfd, number);
    return error === null ? "sent" : asSignalled(error.code);
  }

  /** Does all that a signal takes, and sends none (signal 0 of kill(2)): for practice. */
  probe(): void {
    if (typeof this.#pidfd === "number") signalPidfd(this.#pidfd, Signal.none);
    this.#poll?.wait(0);
  }

  /** All its threads have ended (pidfd_open(2): it is readable then), so that its memory is back, reaped or not. */
  get hasEnded(): boolean {
    if (this.#poll !== null) return this.#poll.wait(0) > 0;
    const stat = readProcessStat(this.#procRoot, this.ref.pid);
    return stat === null || stat[Stat.startTicks] !== this.ref.startTicks;
  }

  /** @returns whether it ended within the time */
  async waitEnded(limitMs: number, signal: AbortSignal): Promise<boolean> {
    const deadlineMs = performance.now() + limitMs;
    while (!this.hasEnded) {
      if (performance.now() >= deadlineMs || signal.aborted) return false;
      await pause(LOOK_MS);
    }
    return true;
  }

  close(): void {
    if (typeof this.#pidfd === "number") closeDescriptor(this.#pidfd);
  }
}

function asSignalled(code: string): Signalled {
  return code === NO_SUCH_PROCESS ? "gone" : { refusal: code };
}
