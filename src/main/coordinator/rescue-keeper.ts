import type { Board } from "../../core/shared/board.ts";
import { GuardianProcess } from "../guardian/guardian.ts";
import type { GuardianOptions } from "../guardian/spawn.ts";
import type { Log } from "./log.ts";

export interface RescueKeeperOptions {
  readonly guardian: GuardianOptions;
  readonly board: Board;
  readonly log: Log;
  /** Something that cannot be had, for the record. */
  readonly limited: (what: string, why: string) => void;
}

/** What moving limits takes besides the rescue thread: somebody who would put them back. */
export class RescueKeeper {
  readonly #options: RescueKeeperOptions;
  readonly #guardian: GuardianProcess;

  private constructor(options: RescueKeeperOptions, guardian: GuardianProcess) {
    this.#options = options;
    this.#guardian = guardian;
  }

  /** @returns null when no limit may be moved; why is on the record */
  static async start(options: RescueKeeperOptions): Promise<RescueKeeper | null> {
    const { board, log, limited } = options;
    const begun = await GuardianProcess.start(options.guardian);
    if ("refusal" in begun) {
      limited("nobody is rescued: no limit may be moved without a guardian", begun.refusal);
      return null;
    }
    const { guardian, recovered } = begun;
    for (const { path } of recovered.putBack)
      log.warn(`${path}: put back, an earlier guard had left it changed`);
    for (const { path, why } of recovered.abandoned) log.warn(`${path}: not put back, it was ${why}`);
    for (const { line, found } of recovered.problems)
      log.warn(`limits.journal:${line}: passed over: ${found}`);
    board.guardianAlive = true;
    guardian.onChange((alive, why) => {
      board.guardianAlive = alive;
      if (!alive) limited("no limit is moved until the guardian is started again", why);
    });
    return new RescueKeeper(options, guardian);
  }

  /** To be called when the rescue thread has ended: the guardian puts everything back. */
  async release(): Promise<void> {
    this.#options.board.guardianAlive = false;
    const waiting = await this.#guardian.release();
    for (const { path, original } of waiting) {
      this.#options.log.warn(
        `${path} goes back to ${original} bytes as soon as its cgroup uses less: the guardian stays for that`,
      );
    }
  }
}
