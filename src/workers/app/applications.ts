import { APP_COLUMNS, App } from "../../core/app/columns.ts";
import { cgroupNumber } from "../../core/cgroups/number.ts";
import type { ApplicationPolicy } from "../../core/policy/applications.ts";
import { RingWriter } from "../../core/ring/writer.ts";
import type { SharedRing } from "../../core/ring/views.ts";
import { hostPids } from "../common/pid-source.ts";
import { ProcessFinder } from "./finder.ts";
import { HostFigures } from "./memory-files.ts";
import type { ApplicationVoice } from "./voice.ts";
import { Watched } from "./watched.ts";

const US_PER_MS = 1000;

export interface ApplicationsOptions {
  readonly procRoot: string;
  readonly units: { readonly ticksPerSecond: number; readonly pageBytes: number };
  /** Which life of the thread this is: its numbers are no earlier one's. */
  readonly epoch: number;
  readonly ring: SharedRing;
  /** The guard's pid: neither it nor what it started belongs to an application. */
  readonly ownPid: number;
  readonly voice: ApplicationVoice;
}

/** All applications that are watched: looked for, and sampled each at its interval. */
export class Applications {
  readonly #options: ApplicationsOptions;
  readonly #finder: ProcessFinder;
  readonly #figures: HostFigures;
  readonly #ring: RingWriter;
  readonly #row = new Float64Array(APP_COLUMNS.length);
  #watched: readonly Watched[] = [];
  #numbered = 0;

  /** @throws Error when there is no /proc */
  constructor(options: ApplicationsOptions) {
    const { procRoot, ring, ownPid, units } = options;
    this.#options = options;
    this.#ring = new RingWriter(ring);
    this.#figures = new HostFigures(procRoot);
    this.#finder = new ProcessFinder(procRoot, hostPids(procRoot), units.ticksPerSecond, ownPid);
  }

  get watched(): readonly Watched[] {
    return this.#watched;
  }

  /** Begins with these; who belonged to those before is gone. */
  watch(applications: readonly ApplicationPolicy[], nowUs: number): void {
    const { procRoot, units, epoch, voice } = this.#options;
    const gone = this.#watched.flatMap((watched) => watched.close());
    voice.announce([], gone);
    const nextNumber = (): number => cgroupNumber(epoch, this.#numbered++);
    const options = { procRoot, pageBytes: units.pageBytes, nextNumber, voice };
    this.#watched = applications.map((each) => new Watched(each, nowUs, options));
    this.#finder.setApplications(this.#watched.map(({ members }) => members));
  }

  /** When the next one is due, of the monotonic clock; infinite without any. */
  get dueUs(): number {
    let dueUs = Number.POSITIVE_INFINITY;
    for (const watched of this.#watched) dueUs = Math.min(dueUs, watched.dueUs);
    return dueUs;
  }

  /**
   * Looks who has come and gone, and samples those that are due.
   * @returns the host's figures, in a row, when the first application was sampled; null when it was not
   */
  sample(nowUs: number): Float64Array | null {
    const row = this.#row;
    let first = false;
    this.#finder.look(nowUs);
    row[App.timeUs] = Math.floor(nowUs);
    this.#figures.read(row);
    for (let i = 0; i < this.#watched.length; i++) {
      const watched = this.#watched[i] as Watched;
      watched.sync();
      if (nowUs < watched.dueUs) continue;
      watched.sample(row, this.#ring);
      first ||= i === 0;
      // The next one on the grid: what was missed is not made up for.
      const intervalUs = watched.policy.intervalMs * US_PER_MS;
      watched.dueUs += intervalUs * Math.max(1, Math.ceil((nowUs - watched.dueUs + 1) / intervalUs));
    }
    this.#ring.commit();
    return first ? row : null;
  }

  close(): void {
    for (const watched of this.#watched) watched.close();
    this.#watched = [];
    this.#finder.close();
    this.#figures.close();
  }
}
