import { ExitCode, type Fault } from "../../core/fault.ts";
import type { OpenedDatasets } from "./datasets.ts";

/** More lines than these say no more. */
const LOSSES_TOLD = 20;

/** Tells what could not be read, on stderr: it is not part of the output. */
export function tellLosses(losses: readonly string[]): void {
  for (const loss of losses.slice(0, LOSSES_TOLD)) process.stderr.write(`plimsoll: not read: ${loss}\n`);
  const more = losses.length - LOSSES_TOLD;
  if (more > 0) process.stderr.write(`plimsoll: not read: ${more} more places\n`);
}

/**
 * Tells which of the named datasets could not be opened; the exit code will say so too.
 * @throws the refusal when none could
 */
export function tellRefused({ datasets, refused }: OpenedDatasets): void {
  const [first] = refused;
  if (datasets.length === 0 && first !== undefined && refused.length === 1) throw first;
  for (const { message } of refused) process.stderr.write(`plimsoll: ${message}\n`);
  if (first !== undefined) process.exitCode = exitCodeOf(refused);
}

function exitCodeOf(refused: readonly Fault[]): ExitCode {
  return refused.every(({ code }) => code === ExitCode.notPermitted) ? ExitCode.notPermitted : ExitCode.fault;
}

/** A line on the terminal that is written again and again; nothing where stderr is none. */
export class ProgressLine {
  readonly #shown: boolean;
  #length = 0;

  /** @param shown false: stay silent */
  constructor(shown = process.stderr.isTTY) {
    this.#shown = shown;
  }

  say(text: string): void {
    if (!this.#shown) return;
    const cut = text.slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1));
    process.stderr.write(`\r${cut.padEnd(this.#length)}`);
    this.#length = cut.length;
  }

  clear(): void {
    if (this.#shown && this.#length > 0) process.stderr.write(`\r${" ".repeat(this.#length)}\r`);
    this.#length = 0;
  }
}

/** A count for people: "1.2 million rows". */
export function rowsText(rows: number): string {
  return rows < 1e6 ? `${rows} rows` : `${(rows / 1e6).toFixed(1)} million rows`;
}
