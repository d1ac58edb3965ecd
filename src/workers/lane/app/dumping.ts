import fs from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { AppRung } from "../../../core/policy/applications.ts";
import { formatBytes } from "../../../core/units.ts";
import { type CommandEnd, runCommand } from "./command.ts";
import { DumpDirectory } from "./dump-directory.ts";

export type DumpRung = Extract<AppRung, { action: "dump" }>;

export interface DumpingOptions {
  /** NAME-LEVEL: what dumps are called by, before their number. */
  readonly stem: string;
  readonly directory: string;
  /** Besides root: who may own it. */
  readonly owners: readonly number[];
  readonly limitBytes: number;
  /** For the commands: PLIMSOLL_DUMP and PLIMSOLL_NUMBER are added. */
  readonly variables: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface DumpEnd {
  readonly ok: boolean;
  /** For the record. */
  readonly text: string;
}

/** How often is looked how large a dump has become. */
const WATCH_MS = 50;
/** A file system is not filled for a dump: so much stays free. */
const RESERVE_BYTES = 64 * 1024 * 1024;
const RESERVE_SHARE = 0.05;

/** Takes the dumps of a rung, one after the other; `began` is told of each. Never rejects. */
export async function takeDumps(
  rung: DumpRung,
  options: DumpingOptions,
  taken: (end: DumpEnd, beganMs: number) => void,
): Promise<void> {
  for (let i = 0; i < rung.count; i++) {
    const beganMs = performance.now();
    if (options.signal.aborted) return;
    taken(await takeDump(rung, options), beganMs);
    const leftMs = rung.spacingMs - (performance.now() - beganMs);
    if (i + 1 < rung.count && leftMs > 0)
      await pause(leftMs, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

async function takeDump(rung: DumpRung, options: DumpingOptions): Promise<DumpEnd> {
  const directory = DumpDirectory.open(options.directory, options.owners);
  if (typeof directory === "string") return { ok: false, text: directory };
  try {
    return await new Dumping(directory, rung, options).take();
  } catch (error) {
    return { ok: false, text: (error as Error).message };
  } finally {
    directory.close();
  }
}

/** One dump being taken. */
class Dumping {
  readonly #directory: DumpDirectory;
  readonly #rung: DumpRung;
  readonly #options: DumpingOptions;
  readonly #name: string;
  readonly #number: number;
  readonly #removed: string[] = [];

  constructor(directory: DumpDirectory, rung: DumpRung, options: DumpingOptions) {
    this.#directory = directory;
    this.#rung = rung;
    this.#options = options;
    this.#number = directory.nextNumber(options.stem);
    this.#name = `${options.stem}-${this.#number}`;
  }

  async take(): Promise<DumpEnd> {
    const { command, deadlineMs } = this.#rung;
    const stdoutName = `${this.#name}.out`;
    const stdout = this.#directory.create(stdoutName);
    const cut = new AbortController();
    const watching = setInterval(() => this.#watch(stdoutName, cut), WATCH_MS);
    let end: CommandEnd;
    try {
      end = await runCommand({
        command,
        deadlineMs,
        stdout,
        variables: {
          ...this.#options.variables,
          PLIMSOLL_DUMP: `${this.#directory.path}/${this.#name}`,
          PLIMSOLL_NUMBER: String(this.#number),
        },
        signal: AbortSignal.any([this.#options.signal, cut.signal]),
      });
    } finally {
      clearInterval(watching);
      fs.closeSync(stdout);
    }
    this.#watch(stdoutName, cut);
    return this.#finish(stdoutName, end, cut.signal);
  }

  /** What it wrote to stdout is the dump, unless it made one by the name it was given. */
  #finish(stdoutName: string, end: CommandEnd, cut: AbortSignal): DumpEnd {
    const directory = this.#directory;
    if (directory.sizeBytes(stdoutName) === 0) directory.remove(stdoutName);
    else if (!directory.rename(stdoutName, this.#name)) directory.own(stdoutName);
    if (!directory.has(this.#name)) return { ok: false, text: `${this.#name}: nothing; ${end.text}` };
    if (cut.aborted) {
      directory.remove(this.#name);
      directory.remove(stdoutName);
      // A command that ended by itself just before does not know why.
      const why = String(cut.reason);
      const text = end.text.includes(why) ? end.text : `${why}; ${end.text}`;
      return { ok: false, text: `${this.#name}: removed, as it was too large; ${text}` };
    }
    directory.own(this.#name);
    const size = formatBytes(directory.sizeBytes(this.#name));
    const removed = this.#removed.length === 0 ? "" : `; removed for it: ${this.#removed.join(", ")}`;
    return { ok: end.ok, text: `${this.#name}: ${size}${end.ok ? "" : `; ${end.text}`}${removed}` };
  }

  /** Makes room for what is being written; what would be too large even so is cut off. */
  #watch(stdoutName: string, cut: AbortController): void {
    if (cut.signal.aborted) return;
    const { limitBytes } = this.#options;
    const directory = this.#directory;
    const { freeBytes, totalBytes } = directory.room();
    const newBytes = directory.sizeBytes(this.#name) + directory.sizeBytes(stdoutName);
    if (newBytes > limitBytes)
      return cut.abort(`it grew over the limit of all dumps, ${formatBytes(limitBytes)}`);
    while (directory.ownBytes() + newBytes > limitBytes) {
      const oldest = directory.removeOldest();
      if (oldest === null) return cut.abort("no room could be made for it");
      this.#removed.push(oldest);
    }
    const reserveBytes = Math.min(RESERVE_BYTES, totalBytes * RESERVE_SHARE);
    if (newBytes > 0 && freeBytes < reserveBytes)
      cut.abort(`only ${formatBytes(freeBytes)} is left on the file system`);
  }
}
