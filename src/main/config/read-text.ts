/** Reads a policy file as text, with a clear answer for all that is no policy file. */
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
  | { readonly ok: false; readonly expected: string; readonly found: string; readonly advice: string };

const FOUND_BY_CODE: Readonly<Record<string, readonly [found: string, advice: string]>> = {
  ENOENT: ["no such file", "check the path; without a file the built-in policy is used"],
  ENOTDIR: ["a path through something that is no directory", "check the path"],
  EACCES: ["no permission to read it", "run as its owner or as root, or change its mode"],
  ELOOP: ["symbolic links in a circle", "check the links"],
  ENAMETOOLONG: ["a path too long", "check the path"],
};

/** The text of a regular file of at most 1 MiB in UTF-8; a byte order mark is dropped. Blocking reads, never throws. */
export function readPolicyText(path: string): TextRead {
  let descriptor: number | null = null;
  try {
    // O_NONBLOCK: opening a FIFO without a writer would wait for ever (fifo(7)).
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = fstatSync(descriptor);
    if (status.isDirectory()) return refused("a directory", "name the file in it");
    if (!status.isFile()) return refused("a device, pipe or socket", "write the policy to a file");
    const bytes = readAll(descriptor);
    if (bytes === null)
      return refused(`more than ${formatSize(POLICY_BYTES_MAX)}`, "check that it is the right file");
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { ok: true, text, writableByOthers: (status.mode & 0o022) !== 0 };
  } catch (error) {
    if (error instanceof TypeError && "code" in error && error.code === "ERR_ENCODING_INVALID_ENCODED_DATA") {
      return refused("bytes that are no UTF-8", "save it as UTF-8");
    }
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const [found, advice] = FOUND_BY_CODE[code] ?? [`an error: ${String(error)}`, "check the path"];
    return refused(found, advice);
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

function refused(found: string, advice: string): TextRead {
  return { ok: false, expected: "a policy file (TOML)", found, advice };
}

/** All bytes, or null when there are more than a policy may have. The size of a /proc file is not to be believed. */
function readAll(descriptor: number): Buffer | null {
  const buffer = Buffer.allocUnsafe(POLICY_BYTES_MAX + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = readSync(descriptor, buffer, length, buffer.length - length, null);
    if (count === 0) return buffer.subarray(0, length);
    length += count;
  }
  return null;
}
