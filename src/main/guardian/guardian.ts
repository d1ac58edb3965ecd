import type { ChildProcess } from "node:child_process";
import fs from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { OutstandingChange } from "../../core/rescue/journal.ts";
import { closeDescriptor } from "../../native/descriptor.ts";
import { createPipe } from "../../native/pipe.ts";
import { Journal, readJournal } from "../../workers/rescue/journal.ts";
import { leave, type Recovery, recoverLocked } from "./recover.ts";
import { type GuardianMode, type GuardianOptions, spawnGuardian, untilListening } from "./spawn.ts";
import { signLock, takeJournalLock, unsigned } from "./takeover.ts";

/** A clean stop waits this long for the limits to be back. */
const RELEASE_LIMIT_MS = 1000;
const RELEASE_LOOK_MS = 5;
/** How long until one that died is started again: at once, then more patiently, for a fork may fail in a crisis. */
const RESTART_MS = [0, 20, 100, 500, 1000] as const;
/** One that lived this long was well started. */
const WELL_MS = 5000;

/** An entry that a guardian may have to wait for. */
export interface Waiting {
  readonly waiting: boolean;
}

/** What a guardian is for: a journal, or several that are one guard's. `Left` is an entry of them, `Found` a recovery. */
export interface Duty<Left extends Waiting, Found> {
  /** `PATH.lock` is the right to the journals, `PATH.handover` asks for it. */
  readonly path: string;
  readonly procRoot: string;
  /** What another guard does who has the right, in words. */
  readonly doing: string;
  spawn(mode: GuardianMode, input: number | null, lock: number): ChildProcess;
  /** Puts back what an earlier guard left, as far as that can be now. The lock is held. */
  recover(lock: number): Promise<Found>;
  /** Makes the journals ready for their writers. */
  open(): void;
  outstanding(): readonly Left[];
}

export type Started<Left extends Waiting, Found> =
  | { readonly guardian: GuardianProcess<Left, Found>; readonly recovered: Found }
  /** Why there is none: nothing may be changed. */
  | { readonly refusal: string };

export type GuardianStart = Started<OutstandingChange, Recovery>;

/** The duty to put limits back. */
function limitsDuty(options: GuardianOptions): Duty<OutstandingChange, Recovery> {
  const { journalPath, procRoot } = options;
  return {
    path: journalPath,
    procRoot,
    doing: "moves limits",
    spawn: (mode, input, lock) => spawnGuardian(options, mode, input, lock),
    recover: (lock) => recoverLocked(options, lock),
    // Written anew: who waited for an earlier guard does not wait for this one.
    open: () => Journal.open(journalPath).close(),
    outstanding: () => readJournal(journalPath).outstanding,
  };
}

/**
 * The guardian: a small process that holds nothing but the journal of changed limits, and puts back what is outstanding
 * in it when the guard is gone, however it went (script.ts). It wakes because the pipe to the guard closes: the guard
 * alone holds the end that is written to, closed on exec, so that no other child of the guard keeps it open.
 *
 * While there is none, nothing may be changed: {@link alive}. A guard and a guardian that are killed at one stroke (a
 * service manager that kills the unit's whole cgroup: systemd.kill(5), KillMode=control-group) leave the journal; the
 * next start puts back. Where the journal's directory is removed with the service (RuntimeDirectory= without
 * RuntimeDirectoryPreserve=), not even that: see docs/operating.md.
 */
export class GuardianProcess<Left extends Waiting = OutstandingChange, Found = Recovery> {
  readonly #duty: Duty<Left, Found>;
  readonly #lock: number;
  readonly #readEnd: number;
  readonly #writeEnd: number;
  readonly #watchers: ((alive: boolean, why: string) => void)[] = [];
  #child: ChildProcess | null = null;
  #alive = false;
  #released = false;
  #failures = 0;

  private constructor(duty: Duty<Left, Found>, lock: number) {
    const { readEnd, writeEnd } = createPipe();
    this.#duty = duty;
    this.#lock = lock;
    this.#readEnd = readEnd;
    this.#writeEnd = writeEnd;
  }

  /**
   * Takes the journal over from whoever had it, puts back what is outstanding in it as far as that can be, and starts a
   * guardian. To be called before the rescue thread opens the journal. Never throws.
   */
  static start(options: GuardianOptions): Promise<GuardianStart> {
    return GuardianProcess.startFor(limitsDuty(options));
  }

  /** As {@link start}, for any journals. */
  static async startFor<Left extends Waiting, Found>(duty: Duty<Left, Found>): Promise<Started<Left, Found>> {
    let lock: number | null = null;
    try {
      lock = await takeJournalLock(duty.path, duty.procRoot);
      if (lock === null)
        return { refusal: `another guard of this host ${duty.doing}: it holds ${duty.path}.lock` };
      signLock(lock, duty.procRoot);
      const recovered = await duty.recover(lock);
      duty.open();
      const guardian = new GuardianProcess(duty, lock);
      // From here on the lock is the guardian's to close.
      lock = null;
      const why = await guardian.#begin();
      if (why === null) return { guardian, recovered };
      await guardian.release();
      return { refusal: `the guardian process cannot be started: ${why}` };
    } catch (error) {
      return { refusal: (error as Error).message };
    } finally {
      if (lock !== null) fs.closeSync(unsigned(lock));
    }
  }

  /** It lives, and listens: limits may be changed. */
  get alive(): boolean {
    return this.#alive;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Calls when it dies (`why` says how) and when another one has taken its place. Not after {@link release}. */
  onChange(watcher: (alive: boolean, why: string) => void): void {
    this.#watchers.push(watcher);
  }

  /**
   * A clean stop: has the guardian put everything back. To be called when the rescue thread has ended.
   * @returns what is not back after a second: raised limits of cgroups that use more than the original, for which the
   * guardian stays
   */
  async release(): Promise<readonly Left[]> {
    if (this.#released) return [];
    this.#released = true;
    const child = this.#child;
    if (this.#alive) this.#tellStop();
    closeDescriptor(this.#writeEnd);
    closeDescriptor(this.#readEnd);
    if (!this.#alive) this.#leaveAnother();
    const left = await this.#untilPutBack();
    const died = child !== null && (child.exitCode !== null || child.signalCode !== null);
    if (died && left.length > 0) this.#leaveAnother();
    fs.closeSync(unsigned(this.#lock));
    return left;
  }

  #leaveAnother(): void {
    leave(this.#duty.spawn("stay", null, this.#lock));
  }

  /** Not a crash: it need not be told of. */
  #tellStop(): void {
    try {
      fs.writeSync(this.#writeEnd, "stop\n");
    } catch {
      // It died this moment; whoever is left behind puts back all the same.
    }
  }

  async #untilPutBack(): Promise<readonly Left[]> {
    for (let waitedMs = 0; ; waitedMs += RELEASE_LOOK_MS) {
      const outstanding = this.#duty.outstanding();
      if (outstanding.every(({ waiting }) => waiting) || waitedMs >= RELEASE_LIMIT_MS) return outstanding;
      await pause(RELEASE_LOOK_MS);
    }
  }

  /** Starts one. @returns null when it listens, else why not */
  async #begin(): Promise<string | null> {
    const child = this.#duty.spawn("stay", this.#readEnd, this.#lock);
    this.#child = child;
    const startedMs = performance.now();
    const why = await untilListening(child);
    child.stdout?.destroy();
    child.unref();
    if (why !== null) {
      child.kill("SIGKILL");
      return why;
    }
    if (child.exitCode !== null || child.signalCode !== null) return "it ended at once";
    this.#alive = true;
    child.once("exit", (code, signal) => {
      this.#alive = false;
      if (this.#released) return;
      if (performance.now() - startedMs > WELL_MS) this.#failures = 0;
      this.#tell(false, `it ended with ${signal ?? `code ${code}`}`);
      void this.#beginAgain();
    });
    return null;
  }

  async #beginAgain(): Promise<void> {
    while (!this.#released) {
      const delayMs = RESTART_MS[Math.min(this.#failures++, RESTART_MS.length - 1)] as number;
      if (delayMs > 0) await pause(delayMs, undefined, { ref: false });
      if (this.#released) return;
      const why = await this.#begin();
      if (why === null) return this.#tell(true, "");
    }
  }

  #tell(alive: boolean, why: string): void {
    if (this.#released) return;
    for (const watcher of this.#watchers) watcher(alive, why);
  }
}
