import type { HeldLever } from "../../../core/levers/journal.ts";
import type { Lever } from "../../../core/levers/lever.ts";

/** What was found before a lever is imposed. */
export interface Found {
  /** Why it cannot be imposed; then nothing else here counts. */
  readonly refusal: string | null;
  /** The value that is there; null for what has none. */
  readonly present: string | null;
  /** What has to be put back apart, with what is there. */
  readonly parts: readonly { readonly lever: Lever; readonly present: string }[];
}

/** How it went to put something back; `waits`: it can be tried again. */
export interface PutBack {
  readonly end: "done" | "left" | "gone" | "waits";
  readonly text: string;
}

/** How one kind of lever is imposed and put back. Nothing here throws for what the host may do. */
export interface Hand {
  /** Called before anything is journaled; `held`: it was imposed before, and is about to be changed. */
  look(held: HeldLever | null): Found;
  /** @returns why not */
  apply(): string | null;
  /** Levers that may have been journaled with this one, to be put back before it. */
  parts(): readonly Lever[];
  putBack(held: HeldLever): PutBack | Promise<PutBack>;
}

export const refused = (refusal: string): Found => ({ refusal, present: null, parts: [] });
export const found = (present: string | null, parts: Found["parts"] = []): Found => ({
  refusal: null,
  present,
  parts,
});

export function textOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
