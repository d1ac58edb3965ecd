import { APP_COLUMNS, App } from "../../core/app/columns.ts";
import { cgroupNumber } from "../../core/cgroups/number.ts";
import type { ApplicationsPolicy } from "../../core/policy/applications.ts";
import { RingWriter } from "../../core/ring/writer.ts";
import { clearEvent } from "../../native/event.ts";
import { PollEvent, PollSet } from "../../native/poll.ts";
import { Timer } from "../../native/timer.ts";
import { monotonicUs } from "../common/clock.ts";
import { hostPids } from "../common/pid-source.ts";
import { WorkerContext } from "../common/worker.ts";
import { ProcessFinder } from "./finder.ts";
import { HostFigures } from "./memory-files.ts";
import { Monitor } from "./monitor.ts";
import { Voice } from "./voice.ts";
import { Watched, type WatchedOptions } from "./watched.ts";

const TIMER = 0;
const WAKE = 1;
const FIRST_MAIN = 2;
const US_PER_MS = 1000;

/** The thread that finds the processes of applications and samples their memory; it waits for applications that do not run. */
class ApplicationSampler {
  readonly #context: WorkerContext;
  readonly #voice: Voice;
  readonly #finder: ProcessFinder;
  readonly #figures: HostFigures;
  readonly #ring: RingWriter;
  readonly #row = new Float64Array(APP_COLUMNS.length);
  readonly #timer = Timer.create(false);
  readonly #options: WatchedOptions;
  #policy: ApplicationsPolicy;
  #watched: readonly Watched[] = [];
  #poll = new PollSet(FIRST_MAIN);
  #monitor: Monitor | null = null;
  #numbered = 0;
  #armedUs = Number.NaN;
  #hasLeft = false;

  constructor(context: WorkerContext) {
    const { start } = context;
    this.#context = context;
    this.#voice = new Voice(context);
    this.#policy = start.policy.app;
    this.#ring = new RingWriter(start.resourceRings.app);
    this.#figures = new HostFigures(start.roots.proc);
    this.#finder = new ProcessFinder(start.roots.proc, hostPids(start.roots.proc), process.pid);
    this.#options = {
      procRoot: start.roots.proc,
      pageBytes: start.units.pageBytes,
      nextNumber: () => cgroupNumber(start.epoch, this.#numbered++),
      voice: this.#voice,
    };
  }

  run(): void {
    this.#watch();
    this.#sampleDue();
    for (const { policy, main } of this.#watched) if (main === null) this.#voice.waiting(policy);
    this.#context.ready();
    for (;;) {
      this.#arm();
      this.#poll.wait(this.#context.rest());
      if (!this.#context.alive()) return;
      if (this.#poll.happened(TIMER) !== 0) this.#timer.wait();
      if (this.#poll.happened(WAKE) !== 0) clearEvent(this.#context.start.descriptors.appEvent);
      if (!this.#takeLetters()) return;
      this.#takeEnds();
      this.#sampleDue();
    }
  }

  /** Begins with the applications of the policy; who belonged to those before is gone. */
  #watch(): void {
    this.#voice.announce(
      [],
      this.#watched.flatMap((watched) => watched.close()),
    );
    const dueUs = monotonicUs();
    this.#watched = this.#policy.applications.map((each) => new Watched(each, dueUs, this.#options));
    this.#finder.setApplications(this.#watched.map(({ members }) => members));
    this.#poll = new PollSet(FIRST_MAIN + this.#watched.length);
    this.#poll.set(TIMER, this.#timer.descriptor, PollEvent.in);
    this.#poll.set(WAKE, this.#context.start.descriptors.appEvent, PollEvent.in);
    this.#monitor?.close();
    const { monitorLogPath: path } = this.#policy;
    this.#monitor =
      path === null
        ? null
        : new Monitor(path, (problem, lost) => this.#voice.monitorProblem(path, problem, lost));
  }

  #sampleDue(): void {
    const nowUs = monotonicUs();
    if (!this.#watched.some(({ dueUs }) => nowUs >= dueUs)) return;
    this.#finder.look(nowUs);
    const row = this.#row;
    row[App.timeUs] = Math.floor(nowUs);
    this.#figures.read(row);
    for (const [place, watched] of this.#watched.entries()) {
      watched.sync();
      if (nowUs < watched.dueUs) continue;
      watched.sample(row, this.#ring);
      if (place === 0) this.#monitor?.write(watched.policy, row, Date.now());
      // The next one on the grid: what was missed is not made up for.
      const intervalUs = watched.policy.intervalMs * US_PER_MS;
      watched.dueUs += intervalUs * Math.max(1, Math.ceil((nowUs - watched.dueUs + 1) / intervalUs));
    }
    this.#ring.commit();
    this.#context.board.ring();
    this.#leaveWithApplications();
  }

  /** Main processes that have ended are told of at once. */
  #takeEnds(): void {
    for (const [place, watched] of this.#watched.entries()) {
      if (watched.mainPidfd >= 0 && this.#poll.happened(FIRST_MAIN + place) !== 0) watched.mainEnded();
    }
    this.#leaveWithApplications();
  }

  #leaveWithApplications(): void {
    if (!this.#policy.exitWithApplication || this.#hasLeft) return;
    const begun = this.#watched.filter(({ hasBegun }) => hasBegun);
    if (begun.length === 0 || begun.some(({ main }) => main !== null)) return;
    this.#hasLeft = true;
    this.#voice.leave(begun.map(({ policy }) => policy.name));
  }

  #arm(): void {
    let nextUs = Number.POSITIVE_INFINITY;
    for (const [place, { dueUs, mainPidfd }] of this.#watched.entries()) {
      nextUs = Math.min(nextUs, dueUs);
      this.#poll.set(FIRST_MAIN + place, mainPidfd, PollEvent.in);
    }
    if (nextUs === this.#armedUs) return;
    this.#armedUs = nextUs;
    if (nextUs !== Number.POSITIVE_INFINITY) this.#timer.set(0, nextUs - monotonicUs());
  }

  /** @returns false when the worker is to stop */
  #takeLetters(): boolean {
    for (let message = this.#context.receive(); message !== null; message = this.#context.receive()) {
      if (message.type === "stop") {
        this.#monitor?.close();
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
    if (same) for (const watched of this.#watched) watched.announceAgain();
    else this.#watch();
  }
}

new ApplicationSampler(WorkerContext.current()).run();
