import path from "node:path";
import type { Policy } from "../../core/policy/policy.ts";
import type { Board } from "../../core/shared/board.ts";
import { systemUnits } from "../../native/system.ts";
import type { HostRoots } from "../../workers/common/roots.ts";
import { recoverJournal } from "../guardian/recover.ts";
import type { GuardianOptions } from "../guardian/spawn.ts";
import { LeversKeeper, type LeversKeeperOptions, mayImpose, recoverLevers } from "./levers-keeper.ts";
import type { Log } from "./log.ts";
import type { Places } from "./places.ts";
import { RescueKeeper } from "./rescue-keeper.ts";

export interface KeepersOptions {
  readonly places: Places;
  readonly roots: HostRoots;
  readonly board: Board;
  readonly log: Log;
  /** Something that cannot be had, for the record. */
  readonly limited: (what: string, why: string) => void;
}

/** Who stands by to put back what the guard changes: one for limits, one for what lanes impose. */
export class Keepers {
  readonly #options: KeepersOptions;
  #rescue: RescueKeeper | null = null;
  #levers: LeversKeeper | null = null;

  constructor(options: KeepersOptions) {
    this.#options = options;
  }

  /** Before anything is changed: what an earlier guard left changed is put back, and somebody stands by to do so again. */
  async start(policy: Policy): Promise<void> {
    this.#rescue ??= await this.#startRescue(policy);
    if (this.#levers === null) await this.#startLevers(policy);
  }

  /** Whether limits may be moved. */
  get rescues(): boolean {
    return this.#rescue !== null;
  }

  /** A dry run has a journal of its own: the real one may be another guard's. */
  get journalPath(): string {
    const { journalPath } = this.#options.places;
    return this.#rescue === null ? `${journalPath}.dry-run` : journalPath;
  }

  /** Null: nothing is imposed. A dry run does not; and where there is no guardian, the journals may be another guard's. */
  leversDirectory(policy: Policy): string | null {
    if (policy.dryRun || (this.#levers === null && mayImpose(policy))) return null;
    return path.dirname(this.#options.places.journalPath);
  }

  /** To be called when the workers have ended. */
  async release(): Promise<void> {
    await this.#rescue?.release();
    await this.#levers?.release();
  }

  async #startRescue(policy: Policy): Promise<RescueKeeper | null> {
    const { places, roots, board, log, limited } = this.#options;
    const guardian = {
      journalPath: places.journalPath,
      procRoot: roots.proc,
      pageBytes: systemUnits().pageBytes,
      kernelLogPath: policy.record.kmsg ? roots.kmsg : null,
    };
    // What a dry run would journal is nobody's to put back.
    if (policy.dryRun) return null;
    if (policy.rescue.cgroups.length > 0) return RescueKeeper.start({ guardian, board, log, limited });
    await this.#recover(guardian);
    return null;
  }

  async #startLevers(policy: Policy): Promise<void> {
    const { places, roots, board, log, limited } = this.#options;
    const options: LeversKeeperOptions = {
      guardian: {
        directory: path.dirname(places.journalPath),
        procRoot: roots.proc,
        kernelLogPath: policy.record.kmsg ? roots.kmsg : null,
      },
      board,
      log,
      limited,
    };
    if (mayImpose(policy)) this.#levers = await LeversKeeper.start(options);
    else if (!policy.dryRun) await recoverLevers(options);
  }

  /** That an earlier guard's changes cannot be put back is no reason not to guard. */
  async #recover(guardian: GuardianOptions): Promise<void> {
    try {
      await recoverJournal(guardian);
    } catch (error) {
      const what = "what an earlier guard changed of limits is not put back";
      this.#options.limited(what, (error as Error).message);
    }
  }
}
