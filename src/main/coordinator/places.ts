import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** Where a guard keeps what is its own: the lock and the socket of the running one, the audit log, its datasets. */
export interface Places {
  readonly lockPath: string;
  readonly socketPath: string;
  readonly auditPath: string;
  /** What has been changed of limits and is to be put back; one a host, as limits are the host's. */
  readonly journalPath: string;
  /** Below it a dataset for each start, where the policy has samples recorded and names no place. */
  readonly datasetsPath: string;
}

/** sun_path of a Unix socket holds 108 bytes, the last a zero (unix(7)). */
const SOCKET_PATH_BYTES = 107;

/** A scope's name in file names: `host`, or a readable part of the cgroup's with enough of a hash to be its own. */
export function scopeTag(scope: string): string {
  if (scope === "host") return "host";
  // Not imported: the guard of a host has no use for 2 MiB of cryptography.
  const { createHash } = process.getBuiltinModule("node:crypto");
  const hash = createHash("sha256").update(scope).digest("hex").slice(0, 8);
  const readable = scope
    .replace(/[^A-Za-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(-40);
  return `${readable}-${hash}`;
}

/**
 * The usual places: /run and /var/log for root, the user's own for anybody else
 * (XDG Base Directory Specification; /tmp/plimsoll-UID where there is no runtime directory).
 */
export function placesFor(scope: string, uid: number, environment: NodeJS.ProcessEnv): Places {
  const tag = scopeTag(scope);
  const own = environment["XDG_RUNTIME_DIR"] ?? path.join(os.tmpdir(), `plimsoll-${uid}`);
  const runDirectory =
    environment["PLIMSOLL_RUN_DIR"] ?? (uid === 0 ? "/run/plimsoll" : path.join(own, "plimsoll"));
  const state = environment["XDG_STATE_HOME"] ?? path.join(os.homedir(), ".local/state");
  const ownState = path.join(state, "plimsoll");
  const logDirectory = uid === 0 ? "/var/log/plimsoll" : ownState;
  return {
    lockPath: path.join(runDirectory, `${tag}.lock`),
    socketPath: path.join(runDirectory, `${tag}.sock`).slice(0, SOCKET_PATH_BYTES),
    journalPath: path.join(runDirectory, "limits.journal"),
    datasetsPath: path.join(
      environment["PLIMSOLL_STATE_DIR"] ?? (uid === 0 ? "/var/lib/plimsoll" : ownState),
      "datasets",
    ),
    auditPath: path.join(logDirectory, scope === "host" ? "audit.jsonl" : `audit-${tag}.jsonl`),
  };
}

/**
 * Makes a directory and what it lies in; one that is there already is left as it is. Not by mkdirSync's `recursive`,
 * which tries for ever where the kernel says ENOENT below a directory that is there (/proc).
 * @throws as fs.mkdirSync does
 */
export function makeDirectory(directory: string, mode: number): void {
  try {
    fs.mkdirSync(directory, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    const parent = path.dirname(directory);
    if (code !== "ENOENT" || parent === directory) throw error;
    makeDirectory(parent, mode);
    fs.mkdirSync(directory, mode);
  }
}

/**
 * Makes a directory that only its owner may enter.
 * @throws Error when it is somebody else's or open to others: in /tmp another could have laid it there
 */
export function ownDirectory(directory: string, uid: number): void {
  makeDirectory(directory, 0o700);
  const facts = fs.lstatSync(directory);
  if (!facts.isDirectory() || facts.uid !== uid || (facts.mode & 0o022) !== 0) {
    throw new Error(
      `${directory}: expected a directory of uid ${uid} that others cannot write, found otherwise; remove it`,
    );
  }
}
