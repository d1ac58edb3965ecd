import type { Policy } from "../../core/policy/policy.ts";
import { leverText } from "../../core/levers/lever.ts";
import type { Board } from "../../core/shared/board.ts";
import { GuardianProcess } from "../guardian/guardian.ts";
import type { HeldLever } from "../../core/levers/journal.ts";
import {
  leversDuty,
  type LeversGuardianOptions,
  type LeversRecovery,
  recoverAbandonedLevers,
} from "../guardian/levers.ts";
import type { Log } from "./log.ts";

export interface LeversKeeperOptions {
  readonly guardian: LeversGuardianOptions;
  readonly board: Board;
  readonly log: Log;
  /** Something that cannot be had, for the record. */
  readonly limited: (what: string, why: string) => void;
}

/** What imposing something takes besides a lane: somebody who would put it back. */
export class LeversKeeper {
  readonly #options: LeversKeeperOptions;
  readonly #guardian: GuardianProcess<HeldLever, LeversRecovery>;

  private constructor(options: LeversKeeperOptions, guardian: GuardianProcess<HeldLever, LeversRecovery>) {
    this.#options = options;
    this.#guardian = guardian;
  }

  /** @returns null when nothing may be imposed; why is on the record */
  static async start(options: LeversKeeperOptions): Promise<LeversKeeper | null> {
    const { board, log, limited } = options;
    const begun = await GuardianProcess.startFor(leversDuty(options.guardian));
    if ("refusal" in begun) {
      limited("nothing is slowed down, stopped or put down: not without a guardian", begun.refusal);
      return null;
    }
    const { guardian, recovered } = begun;
    tell(log, recovered);
    board.leversGuarded = true;
    guardian.onChange((alive, why) => {
      board.leversGuarded = alive;
      if (!alive) limited("nothing is imposed until the guardian is started again", why);
    });
    return new LeversKeeper(options, guardian);
  }

  /** To be called when the lanes have ended: the guardian puts back what they could not. */
  async release(): Promise<void> {
    this.#options.board.leversGuarded = false;
    for (const { lever } of await this.#guardian.release()) {
      this.#options.log.warn(`${leverText(lever)} could not be put back yet: the guardian stays for that`);
    }
  }
}

/** Rungs that impose something which is to be taken back. */
const IMPOSING: ReadonlySet<string> = new Set(["renice", "quarantine", "freeze", "throttle"]);

/** Whether a policy may have something imposed on others, which then takes a guardian. */
export function mayImpose({ dryRun, scope, cpu, io, net, vm }: Policy): boolean {
  if (dryRun || scope !== "host") return false;
  const imposes = (ladder: readonly { readonly action: string }[]): boolean =>
    ladder.some(({ action }) => IMPOSING.has(action));
  return (
    (cpu.enabled && (imposes(cpu.ladder) || (cpu.fairUse?.cgroups.length ?? 0) > 0)) ||
    (io.enabled && imposes(io.ladder)) ||
    (net.enabled && (net.duplicate !== "log" || net.rates !== null)) ||
    vm.enabled
  );
}

/** For a guard that imposes nothing: what an earlier one left imposed is put back. Never throws. */
export async function recoverLevers({ guardian, log, limited }: LeversKeeperOptions): Promise<void> {
  try {
    const recovery = await recoverAbandonedLevers(guardian);
    if (recovery !== null) tell(log, recovery);
  } catch (error) {
    limited("what an earlier guard had imposed is not put back", (error as Error).message);
  }
}

function tell(log: Log, { putBack, abandoned, outstanding, problems }: LeversRecovery): void {
  for (const lever of putBack) log.warn(`${leverText(lever)}: put back, an earlier guard had left it so`);
  for (const { lever, why } of abandoned)
    log.warn(
      `${leverText(lever)}: not put back, ${why === "gone" ? "it is gone" : "somebody else changed it"}`,
    );
  for (const { lever } of outstanding) log.warn(`${leverText(lever)}: could not be put back yet`);
  for (const { journal, line, found } of problems) log.warn(`${journal}:${line}: passed over: ${found}`);
}
