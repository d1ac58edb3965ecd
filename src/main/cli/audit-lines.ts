import fs from "node:fs";
import type { AuditLine } from "../../core/audit/line.ts";
import { describeValue } from "../../core/units.ts";

/** Longer than any line the guard writes: what has no newline for so long is no audit log. */
const LINE_BYTES_MAX = 16 * 2 ** 20;
const CHUNK_BYTES = 2 ** 16;
const NEWLINE = 10;

/** One line of a log, as it stands there and as what it says. */
export interface ReadLine {
  /** In its file, from 1. */
  readonly number: number;
  readonly text: string;
  readonly line: AuditLine;
  readonly timeMs: number;
}

/** What was found where a line of the log was expected. */
export interface Garbage {
  readonly number: number;
  readonly found: string;
}

/** An opened part of a log. */
export interface LogFile {
  readonly path: string;
  readonly descriptor: number;
}

/**
 * The files of a log, older first: FILE.1, if it was rotated, and FILE. Both are open before either is read, so that a
 * rotation meanwhile neither loses a line nor shows one twice.
 * @returns descriptors; none when there is neither
 * @throws as fs.openSync does, but for ENOENT
 */
export function openLogFiles(path: string): LogFile[] {
  const newer = tryOpen(path);
  const older = tryOpen(`${path}.1`);
  const opened: LogFile[] = [];
  if (older !== null && (newer === null || !isSameFile(older, newer))) {
    opened.push({ path: `${path}.1`, descriptor: older });
  } else if (older !== null) {
    fs.closeSync(older);
  }
  if (newer !== null) opened.push({ path, descriptor: newer });
  return opened;
}

function tryOpen(path: string): number | null {
  try {
    // A pipe in its place is not waited for.
    return fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function isSameFile(one: number, other: number): boolean {
  const [a, b] = [fs.fstatSync(one), fs.fstatSync(other)];
  return a.ino === b.ino && a.dev === b.dev;
}

/** The lines of an opened log; what is none is yielded too, as what was found. Closes the descriptor. */
export function* readLog(descriptor: number): Generator<ReadLine | Garbage> {
  let number = 0;
  try {
    for (const bytes of splitLines(descriptor)) {
      number++;
      if (bytes === null) yield { number, found: `more than ${LINE_BYTES_MAX} bytes without a newline` };
      else if (bytes.length > 0) yield parseLine(bytes.toString("utf8"), number);
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Only at newlines: a name in the log may hold what else ends a line somewhere. Null: too long a line. */
function* splitLines(descriptor: number): Generator<Buffer | null> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let tooLong = false;
  for (;;) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const length = fs.readSync(descriptor, chunk, 0, CHUNK_BYTES, null);
    if (length === 0) break;
    let from = 0;
    for (;;) {
      const end = chunk.subarray(0, length).indexOf(NEWLINE, from);
      const part = chunk.subarray(from, end < 0 ? length : end);
      if (!tooLong) pending.push(part);
      pendingBytes += part.length;
      if (pendingBytes > LINE_BYTES_MAX) {
        tooLong = true;
        pending = [];
      }
      if (end < 0) break;
      yield tooLong ? null : Buffer.concat(pending);
      pending = [];
      pendingBytes = 0;
      tooLong = false;
      from = end + 1;
    }
  }
  // A line that is being written, or that a crash cut off.
  if (pendingBytes > 0) yield tooLong ? null : Buffer.concat(pending);
}

function parseLine(text: string, number: number): ReadLine | Garbage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { number, found: describeValue(text) };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { number, found: describeValue(value) };
  const line = value as AuditLine;
  const timeMs = typeof line["time"] === "string" ? Date.parse(line["time"]) : Number.NaN;
  if (typeof line["event"] !== "string") return { number, found: "an object without an event" };
  if (Number.isNaN(timeMs))
    return { number, found: `an event without a time: ${describeValue(line["event"])}` };
  return { number, text, line, timeMs };
}
