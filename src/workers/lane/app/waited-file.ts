import fs from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { AppRung } from "../../../core/policy/applications.ts";
import { waitedFile } from "../../../core/policy/wait-file.ts";
import { formatBytes, formatDuration } from "../../../core/units.ts";

export type WaitRung = Extract<AppRung, { action: "wait" }>;

const LOOK_MS = 20;
/** After the process's end, its file is given so long to be whole: the kernel may still be at it. */
const AFTER_END_MS = 1000;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = fs.constants;

/** A file that was there: another, or another state of it, is what is waited for. */
interface Before {
  readonly inode: bigint;
  readonly modifiedNs: bigint;
  readonly sizeBytes: bigint;
}

/** How a file is now. */
interface Sight {
  readonly sizeBytes: number;
  /** It is not what was there before. */
  readonly fresh: boolean;
  readonly ends: boolean;
}

export interface WaitEnd {
  readonly whole: boolean;
  readonly text: string;
}

/**
 * A file that a process is to write. To be made while it lives: only then is it known where its working directory is, and
 * what was there before. The directory is held open, so that the file can be found when the process has gone.
 */
export class WaitedFile {
  readonly rung: WaitRung;
  /** As its process names it. */
  readonly path: string;
  readonly #link: string | null;
  readonly #directory: number | null;
  readonly #before: Before | null;
  readonly #refusal: string | null;

  /** @param procRoot where proc(5) is mounted */
  constructor(procRoot: string, pid: number, rung: WaitRung) {
    this.rung = rung;
    const found = openPlace(procRoot, pid, rung.file);
    this.path = found.path;
    this.#refusal = found.refusal;
    this.#directory = found.descriptor;
    this.#link =
      found.descriptor === null
        ? null
        : `${procRoot}/self/fd/${found.descriptor}/${path.basename(found.path)}`;
    this.#before = this.#link === null ? null : stateOf(this.#link);
  }

  close(): void {
    if (this.#directory !== null) fs.closeSync(this.#directory);
  }

  /** Waits until it is whole. @param hasEnded whether its process has ended */
  async wait(hasEnded: () => boolean, signal: AbortSignal): Promise<WaitEnd> {
    const { deadlineMs, endsWith, stableMs } = this.rung;
    if (this.#link === null) return { whole: false, text: this.#refusal ?? "cannot be found" };
    const beganMs = performance.now();
    let sizeBytes = -1;
    let changedMs = beganMs;
    let endedMs = Number.NaN;
    for (;;) {
      const sight = this.#look();
      const nowMs = performance.now();
      if (sight !== null && sight.sizeBytes !== sizeBytes) {
        sizeBytes = sight.sizeBytes;
        changedMs = nowMs;
      }
      const fresh = sight?.fresh === true;
      const whole = endsWith === null ? nowMs - changedMs >= stableMs : sight?.ends === true;
      if (fresh && whole) return { whole, text: `whole, ${formatBytes(sizeBytes)}` };
      if (Number.isNaN(endedMs) && hasEnded()) endedMs = nowMs;
      const isLate = nowMs - beganMs >= deadlineMs;
      const over = !fresh || endsWith !== null ? nowMs - Math.max(endedMs, changedMs) > AFTER_END_MS : false;
      if (isLate || over || signal.aborted)
        return { whole: false, text: `${this.#whyNot(sight, isLate)}, ${this.path}` };
      await pause(LOOK_MS);
    }
  }

  #whyNot(sight: Sight | null, isLate: boolean): string {
    const when = isLate ? `within ${formatDuration(this.rung.deadlineMs)}` : "when its process had ended";
    if (sight?.fresh !== true) return `no new file ${when}`;
    return `not whole ${when}: ${formatBytes(sight.sizeBytes)}`;
  }

  /** Null while there is none. */
  #look(): Sight | null {
    let descriptor: number;
    try {
      descriptor = fs.openSync(this.#link as string, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    } catch {
      return null;
    }
    try {
      const stat = fs.fstatSync(descriptor, { bigint: true });
      if (!stat.isFile()) return null;
      const before = this.#before;
      const fresh =
        before === null ||
        before.inode !== stat.ino ||
        before.modifiedNs !== stat.mtimeNs ||
        before.sizeBytes !== stat.size;
      const sizeBytes = Number(stat.size);
      return { sizeBytes, fresh, ends: this.#ends(descriptor, sizeBytes) };
    } finally {
      fs.closeSync(descriptor);
    }
  }

  /** Blank space at its end does not count. */
  #ends(descriptor: number, sizeBytes: number): boolean {
    const { endsWith } = this.rung;
    if (endsWith === null) return false;
    const tail = Buffer.alloc(Buffer.byteLength(endsWith) + 16);
    const length = fs.readSync(descriptor, tail, 0, tail.length, Math.max(0, sizeBytes - tail.length));
    return tail.toString("utf8", 0, length).trimEnd().endsWith(endsWith.trimEnd());
  }
}

interface Place {
  readonly path: string;
  readonly descriptor: number | null;
  readonly refusal: string | null;
}

/** Stands for the working directory: what begins with it is relative. */
const HERE = "\0cwd";

/** The directory of a file as its process sees it, which may have another root than the guard. */
function openPlace(procRoot: string, pid: number, file: string): Place {
  const of = `${procRoot}/${pid}`;
  const refused = (refusal: string): Place => ({ path: file, descriptor: null, refusal });
  try {
    const resolved = waitedFile(file, HERE, fs.readFileSync(`${of}/environ`, "latin1"));
    if (resolved === null) return refused(`${file} names a variable that pid ${pid} has not`);
    const relative = resolved.startsWith(`${HERE}/`) ? resolved.slice(HERE.length + 1) : null;
    const cwd = fs.readlinkSync(`${of}/cwd`);
    const directory =
      relative === null ? `${of}/root${path.dirname(resolved)}` : `${of}/cwd/${path.dirname(relative)}`;
    const descriptor = fs.openSync(directory, O_RDONLY | O_DIRECTORY);
    return { path: relative === null ? resolved : path.join(cwd, relative), descriptor, refusal: null };
  } catch (error) {
    return refused(`where ${file} is cannot be found: ${(error as Error).message}`);
  }
}

function stateOf(link: string): Before | null {
  try {
    const stat = fs.lstatSync(link, { bigint: true });
    return { inode: stat.ino, modifiedNs: stat.mtimeNs, sizeBytes: stat.size };
  } catch {
    return null;
  }
}
