import type { ApplicationsPolicy } from "../../core/policy/applications.ts";
import { clearEvent } from "../../native/event.ts";
import { PollEvent, PollSet } from "../../native/poll.ts";
import { Timer } from "../../native/timer.ts";
import { monotonicUs } from "../common/clock.ts";
import { WorkerContext } from "../common/worker.ts";
import { Applications } from "./applications.ts";
import { Monitor } from "./monitor.ts";
import { Voice } from "./voice.ts";

const TIMER = 0;
const WAKE = 1;
/** After these come the pidfds of the main processes. */
const FIRST_MAIN = 2;

/** The thread that finds the processes of applications and samples their memory; it waits for applications that do not run. */
class ApplicationSampler {
  readonly #context: WorkerContext;
  readonly #voice: Voice;
  readonly #applications: Applications;
  readonly #timer = Timer.create(false);
  #policy: ApplicationsPolicy;
  #poll = new PollSet(FIRST_MAIN);
  #monitor: Monitor | null = null;
  #armedUs = Number.NaN;
  #hasLeft = false;

  constructor(context: WorkerContext) {
    const { roots, units, epoch, resourceRings, policy } = context.start;
    this.#context = context;
    this.#voice = new Voice(context);
    this.#policy = policy.app;
    this.#applications = new Applications({
      procRoot: roots.proc,
      units,
      epoch,
      ring: resourceRings.app,
      ownPid: process.pid,
      voice: this.#voice,
    });
  }

  run(): void {
    this.#watch();
    this.#sampleDue();
    for (const { policy, main } of this.#applications.watched) if (main === null) this.#voice.waiting(policy);
    this.#context.ready();
    for (;;) {
      this.#arm();
      this.#poll.wait(this.#context.rest());
      if (!this.#context.alive()) return;
      if (this.#poll.happened(TIMER) !== 0) this.#timer.wait();
      if (this.#poll.happened(WAKE) !== 0) clearEvent(this.#context.start.descriptors.appEvent);
      this.#takeEnds();
      if (!this.#takeLetters()) return;
      this.#sampleDue();
    }
  }

  #watch(): void {
    this.#applications.watch(this.#policy.applications, monotonicUs());
    this.#poll = new PollSet(FIRST_MAIN + this.#applications.watched.length);
    this.#poll.set(TIMER, this.#timer.descriptor, PollEvent.in);
    this.#poll.set(WAKE, this.#context.start.descriptors.appEvent, PollEvent.in);
    this.#monitor?.close();
    const { monitorLogPath: path } = this.#policy;
    const tell = (problem: string | null, lost: number): void =>
      this.#voice.monitorProblem(path ?? "", problem, lost);
    this.#monitor = path === null ? null : new Monitor(path, tell);
  }

  #sampleDue(): void {
    const nowUs = monotonicUs();
    if (nowUs >= this.#applications.dueUs) {
      const row = this.#applications.sample(nowUs);
      const [first] = this.#applications.watched;
      if (row !== null && first !== undefined) this.#monitor?.write(first.policy, row, Date.now());
      this.#context.board.ring();
    }
    this.#leaveWithApplications();
  }

  /** Main processes that have ended are told of at once. */
  #takeEnds(): void {
    for (const [place, watched] of this.#applications.watched.entries()) {
      if (watched.mainPidfd >= 0 && this.#poll.happened(FIRST_MAIN + place) !== 0) watched.mainEnded();
    }
  }

  #leaveWithApplications(): void {
    if (!this.#policy.exitWithApplication || this.#hasLeft) return;
    const begun = this.#applications.watched.filter(({ hasBegun }) => hasBegun);
    if (begun.length === 0 || begun.some(({ main }) => main !== null)) return;
    this.#hasLeft = true;
    this.#voice.leave(begun.map(({ policy }) => policy.name));
  }

  #arm(): void {
    for (const [place, { mainPidfd }] of this.#applications.watched.entries())
      this.#poll.set(FIRST_MAIN + place, mainPidfd, PollEvent.in);
    const { dueUs } = this.#applications;
    if (dueUs === this.#armedUs) return;
    this.#armedUs = dueUs;
    if (dueUs !== Number.POSITIVE_INFINITY) this.#timer.set(0, dueUs - monotonicUs());
  }

  /** @returns false when the worker is to stop */
  #takeLetters(): boolean {
    for (let message = this.#context.receive(); message !== null; message = this.#context.receive()) {
      if (message.type === "stop") {
        this.#monitor?.close();
        this.#applications.close();
        return false;
      }
      if (message.type !== "policy")
        throw new Error(`the applications' sampler knows no message ${message.type}`);
      this.#takePolicy(message.policy.app);
    }
    return true;
  }

  /** The same policy again means: tell again who the processes are. */
  #takePolicy(policy: ApplicationsPolicy): void {
    const same = JSON.stringify(policy) === JSON.stringify(this.#policy);
    this.#policy = policy;
    if (same) for (const watched of this.#applications.watched) watched.announceAgain();
    else this.#watch();
  }
}

new ApplicationSampler(WorkerContext.current()).run();
