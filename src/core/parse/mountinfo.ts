import { nextLine } from "./bytes.ts";

/** One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
export interface Mount {
  readonly id: number;
  readonly parent: number;
  /** st_dev of the files on it, other than on btrfs: `8:1`. */
  readonly device: string;
  /** What of the file system is mounted: `/`, or a directory of it. */
  readonly root: string;
  readonly path: string;
  /** Of this mount: `rw`, `ro`, `noatime`, … */
  readonly options: readonly string[];
  readonly type: string;
  readonly source: string;
  /** Of the file system, the same for all its mounts. */
  readonly superOptions: readonly string[];
}

const SPACE = 32;
const BACKSLASH = 92;
const ZERO = 48;
const SEVEN = 55;
/** Fields before the optional ones, of which there may be any number, up to a `-`. */
const FIXED_FIELDS = 6;

const decoder = new TextDecoder();

/**
 * Reads /proc/PID/mountinfo. A line that is cut off or of another form is left out. Bytes that are no UTF-8 become
 * U+FFFD: such a path cannot be used.
 */
export function parseMountinfo(bytes: Uint8Array, length: number): Mount[] {
  const mounts: Mount[] = [];
  for (let line = 0; line < length; ) {
    const next = nextLine(bytes, line, length);
    // Without its newline it may have been cut off.
    if (bytes[next - 1] === 10) {
      const mount = mountOf(fieldsOf(bytes, line, next - 1));
      if (mount !== null) mounts.push(mount);
    }
    line = next;
  }
  return mounts;
}

function mountOf(fields: readonly string[]): Mount | null {
  const dash = fields.indexOf("-", FIXED_FIELDS);
  if (dash < 0 || fields.length !== dash + 4) return null;
  const [id = "", parent = "", device = "", root = "", path = "", options = ""] = fields;
  const [type = "", source = "", superOptions = ""] = fields.slice(dash + 1);
  if (!/^\d{1,10}$/.test(id) || !/^\d{1,10}$/.test(parent) || !/^\d+:\d+$/.test(device)) return null;
  if (!path.startsWith("/") || type === "") return null;
  return {
    id: Number(id),
    parent: Number(parent),
    device,
    root,
    path,
    options: options.split(","),
    type,
    source,
    superOptions: superOptions.split(","),
  };
}

/** Fields end at single blanks; one may be empty (a source is). */
function fieldsOf(bytes: Uint8Array, begin: number, end: number): string[] {
  const fields: string[] = [];
  for (let from = begin, at = begin; at <= end; at++) {
    if (at < end && bytes[at] !== SPACE) continue;
    fields.push(unescaped(bytes, from, at));
    from = at + 1;
  }
  return fields;
}

/** Blanks, newlines, backslashes and # stand as `\` and three octal digits (fs/seq_file.c, mangle_path). */
function unescaped(bytes: Uint8Array, begin: number, end: number): string {
  const plain = new Uint8Array(end - begin);
  let length = 0;
  for (let at = begin; at < end; at++) {
    const code = bytes[at] === BACKSLASH && at + 3 < end ? octalAt(bytes, at + 1) : -1;
    plain[length++] = code < 0 ? (bytes[at] as number) : code;
    if (code >= 0) at += 3;
  }
  return decoder.decode(plain.subarray(0, length));
}

function octalAt(bytes: Uint8Array, from: number): number {
  let value = 0;
  for (let at = from; at < from + 3; at++) {
    const digit = bytes[at] as number;
    if (digit < ZERO || digit > SEVEN) return -1;
    value = value * 8 + (digit - ZERO);
  }
  return value <= 255 ? value : -1;
}
