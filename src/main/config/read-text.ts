/** Reads a small file as text, with a clear answer for all that is no such file. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { formatSize } from "../../core/units.ts";

/** More than any policy needs; a log or a disk image given by mistake is refused before it is read. */
export const POLICY_BYTES_MAX = 2 ** 20;

export type TextRead =
  | {
      readonly ok: true;
      readonly text: string;
      /** Others than its owner may write it. */
      readonly writableByOthers: boolean;
    }
  | Refusal;

/** Why a file is not what it should be. */
export interface Refusal {
  readonly ok: false;
  readonly expected: string;
  readonly found: string;
  readonly advice: string;
}

/** What a file is to be. */
export interface TextKind {
  /** In words: "a policy file (TOML)". */
  readonly expected: string;
  /** "the policy", for "write the policy to a file". */
  readonly what: string;
  readonly bytesMax: number;
  /** What to do when it is not there. */
  readonly absent: string;
}

const POLICY: TextKind = {
  expected: "a policy file (TOML)",
  what: "the policy",
  bytesMax: POLICY_BYTES_MAX,
  absent: "check the path; without a file the built-in policy is used",
};

const FOUND_BY_CODE: Readonly<Record<string, readonly [found: string, advice: string]>> = {
  ENOTDIR: ["a path through something that is no directory", "check the path"],
  EACCES: ["no permission to read it", "run as its owner or as root, or change its mode"],
  ELOOP: ["symbolic links in a circle", "check the links"],
  ENAMETOOLONG: ["a path too long", "check the path"],
};

/** The text of a policy file, of at most 1 MiB. See {@link readSmallText}. */
export function readPolicyText(path: string): TextRead {
  return readSmallText(path, POLICY);
}

/** The text of a regular file in UTF-8; a byte order mark is dropped. Blocking reads, never throws. */
export function readSmallText(path: string, kind: TextKind): TextRead {
  const refused = (found: string, advice: string): Refusal => ({
    ok: false,
    expected: kind.expected,
    found,
    advice,
  });
  let descriptor: number | null = null;
  try {
    // O_NONBLOCK: opening a FIFO without a writer would wait for ever (fifo(7)).
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = fstatSync(descriptor);
    if (status.isDirectory()) return refused("a directory", "name the file in it");
    if (!status.isFile()) return refused("a device, pipe or socket", `write ${kind.what} to a file`);
    const bytes = readAll(descriptor, kind.bytesMax);
    if (bytes === null)
      return refused(`more than ${formatSize(kind.bytesMax)}`, "check that it is the right file");
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { ok: true, text, writableByOthers: (status.mode & 0o022) !== 0 };
  } catch (error) {
    if (error instanceof TypeError && "code" in error && error.code === "ERR_ENCODING_INVALID_ENCODED_DATA") {
      return refused("bytes that are no UTF-8", "save it as UTF-8");
    }
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT") return refused("no such file", kind.absent);
    const [found, advice] = FOUND_BY_CODE[code] ?? [`an error: ${String(error)}`, "check the path"];
    return refused(found, advice);
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

const CHUNK_BYTES = 2 ** 16;

/** All bytes, or null when there are more than `bytesMax`. The size of a /proc file is not to be believed. */
function readAll(descriptor: number, bytesMax: number): Buffer | null {
  const chunks: Buffer[] = [];
  for (let length = 0; length <= bytesMax; ) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, bytesMax + 1 - length));
    const count = readSync(descriptor, chunk, 0, chunk.length, null);
    if (count === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, count));
    length += count;
  }
  return null;
}
