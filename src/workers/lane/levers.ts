import path from "node:path";
import type { HeldLever, LeverEnd } from "../../core/levers/journal.ts";
import { isLever, type Lever, leverKey, leverText } from "../../core/levers/lever.ts";
import type { HostRoots } from "../common/roots.ts";
import type { WorkerContext } from "../common/worker.ts";
import type { Hand } from "./hands/hand.ts";
import { handOf } from "./hands/of.ts";
import { LeverJournal } from "./lever-journal.ts";

export type { Lever } from "../../core/levers/lever.ts";
export { readLever } from "./hands/cgroup.ts";

export interface LeversOptions {
  /** Null: nothing may be imposed (a dry run, or nobody would put it back). */
  readonly journalPath: string | null;
  readonly roots: HostRoots;
  /** Whether something may be imposed now: somebody would put it back, and this thread is the present life of its lane. */
  readonly guarded: () => boolean;
}

/**
 * - `done`: it is as it was found. - `left`: somebody else had changed it, and it was left so. - `gone`: it is no more.
 * - `waits`: it could not be put back; it is still held. - `not-held`: it was not imposed.
 */
export interface UndoResult {
  readonly lever: Lever;
  readonly end: LeverEnd | "waits" | "not-held";
  /** For the record. */
  readonly text: string;
}

/** What a lane holds of others: journaled before it is imposed, and taken over by the lane's next life. */
export class Levers {
  readonly #options: LeversOptions;
  readonly #journal: LeverJournal | null;
  /** Numbers of the journal, by what they are about. */
  readonly #numbers = new Map<string, number>();

  constructor(options: LeversOptions) {
    this.#options = options;
    this.#journal = options.journalPath === null ? null : LeverJournal.open(options.journalPath);
    for (const { number, lever } of this.#journal?.held ?? []) this.#numbers.set(leverKey(lever), number);
  }

  /** Those of a lane: `levers-NAME.journal` in the run directory. One of these a lane: a journal has one writer. */
  static of(context: WorkerContext, name: string): Levers {
    const { leversDirectory, roots, epoch } = context.start;
    return new Levers({
      journalPath: leversDirectory === null ? null : path.join(leversDirectory, `levers-${name}.journal`),
      roots,
      guarded: () => context.board.leversGuarded && context.board.epoch(context.start.name) === epoch,
    });
  }

  /** All that is imposed, or may be, also by an earlier life of the lane; in the order in which it came. */
  held(): readonly HeldLever[] {
    return this.#journal?.held ?? [];
  }

  isHeld(lever: Lever): boolean {
    return this.#numbers.has(leverKey(lever));
  }

  /**
   * Journals it, and does it. One that is held already is changed to the new value; what was found first is put back.
   * @param act does it, for `shape`, `link` and `domain`, whose commands are their owner's; answers as this does
   * @returns why not: then nothing is changed. Null when it is done
   */
  async impose(lever: Lever, act?: () => Promise<string | null>): Promise<string | null> {
    const journal = this.#journal;
    if (!isLever(lever)) return `${leverText(lever)}: not of a form that can be put back`;
    if (journal === null || !this.#options.guarded())
      return "nothing is imposed that nobody would put back: there is no guardian";
    const hand = this.#handOf(lever);
    const key = leverKey(lever);
    const held = this.#entry(key);
    const found = hand.look(held);
    if (found.refusal !== null) return found.refusal;
    if (held !== null && isOthers(held, found.present)) {
      this.forget(lever, "left");
      return `${leverText(lever)} holds ${found.present}, which somebody else has set: left so`;
    }
    try {
      for (const part of found.parts) this.#journalPart(journal, part.lever, part.present);
      const number = held?.number ?? journal.nextNumber;
      journal.set({ number, lever, original: held?.original ?? found.present, before: found.present });
      this.#numbers.set(key, number);
    } catch (error) {
      return `not journaled, so not done: ${(error as Error).message}`;
    }
    const refusal = act === undefined ? hand.apply() : await act();
    // It may be half done. What was imposed before stays so: the journal knows that value too.
    if (refusal !== null && held === null) await this.undo(lever);
    return refusal;
  }

  /**
   * Puts back what was found, if nobody else has changed it meanwhile.
   * @param act does it in the place of the usual command, for `shape`, `link` and `domain`: null when it is done
   */
  async undo(lever: Lever, act?: () => Promise<string | null>): Promise<UndoResult> {
    const held = this.#entry(leverKey(lever));
    if (held === null || this.#journal === null)
      return { lever, end: "not-held", text: `${leverText(lever)}: nothing was imposed` };
    const hand = this.#handOf(held.lever);
    for (const part of hand.parts()) {
      const entry = this.#entry(leverKey(part));
      if (entry !== null) await this.#putBack(entry);
    }
    if (act === undefined) return this.#putBack(held);
    const refusal = await act();
    return refusal === null ? this.#close(held, "done") : this.#waits(held, refusal);
  }

  /** Puts everything back, what came last first. */
  async undoAll(): Promise<UndoResult[]> {
    const results: UndoResult[] = [];
    for (const { lever } of [...this.held()].reverse()) {
      const result = await this.undo(lever);
      if (result.end !== "not-held") results.push(result);
    }
    return results;
  }

  /** What it is about is no more, or somebody else has it now: it is not put back. */
  forget(lever: Lever, end: "left" | "gone"): void {
    const held = this.#entry(leverKey(lever));
    if (held !== null) this.#close(held, end);
  }

  #handOf(lever: Lever): Hand {
    // Without a journal nothing is held that could be put back.
    return handOf(lever, this.#options.roots, path.dirname(this.#options.journalPath ?? "/"));
  }

  #journalPart(journal: LeverJournal, lever: Lever, present: string): void {
    const key = leverKey(lever);
    const held = this.#entry(key);
    const number = held?.number ?? journal.nextNumber;
    journal.set({ number, lever, original: held?.original ?? present, before: present });
    this.#numbers.set(key, number);
  }

  #entry(key: string): HeldLever | null {
    const number = this.#numbers.get(key);
    return this.#journal?.held.find((entry) => entry.number === number) ?? null;
  }

  async #putBack(held: HeldLever): Promise<UndoResult> {
    const { end, text } = await this.#handOf(held.lever).putBack(held);
    return end === "waits" ? this.#waits(held, text) : this.#close(held, end, text);
  }

  #close(held: HeldLever, end: LeverEnd, text: string = end): UndoResult {
    this.#numbers.delete(leverKey(held.lever));
    this.#journal?.close(held.number, end);
    return { lever: held.lever, end, text: `${leverText(held.lever)}: ${text}` };
  }

  #waits(held: HeldLever, why: string): UndoResult {
    return { lever: held.lever, end: "waits", text: `${leverText(held.lever)}: not put back: ${why}` };
  }
}

/** Whether somebody else has changed what the guard holds. */
function isOthers({ lever, original, before }: HeldLever, present: string | null): boolean {
  if (present === null) return false;
  const value = "value" in lever ? String(lever.value) : null;
  return present !== value && present !== before && present !== original;
}
