/** Whether a file can be a module of callbacks; what it exports is known only when the thread of callbacks imports it. */
import { statSync } from "node:fs";
import { extname } from "node:path";
import { readSmallText, type Refusal } from "./read-text.ts";

/** One larger is no hand-written module. */
const MODULE_BYTES_MAX = 2 ** 20;
/** By it Node knows an ES module whatever package it lies in (nodejs.org/api/esm.html). */
const EXTENSION = ".mjs";
const EXPECTED = "a module of callbacks (an ES module, FILE.mjs)";

/** Null: it can be one. Blocking reads, never throws. The text is not looked at: what it means is for Node to say. */
export function refusedModule(path: string): Refusal | null {
  const read = readSmallText(path, {
    expected: EXPECTED,
    what: "the module",
    bytesMax: MODULE_BYTES_MAX,
    absent: 'check the path; "plimsoll init --callbacks" writes a module to begin with',
  });
  if (!read.ok) return read;
  const ending = extname(path);
  if (ending === EXTENSION) return refusedOwner(path);
  const found = ending === "" ? "a file without an ending" : `a file that ends with ${ending}`;
  const advice = `call it ${path.slice(0, path.length - ending.length)}${EXTENSION}`;
  return { ok: false, expected: EXPECTED, found, advice };
}

/** Whoever may write it has the guard do what he likes: the thread of callbacks does not load such a one. */
function refusedOwner(path: string): Refusal | null {
  const status = statSync(path, { throwIfNoEntry: false });
  const owners = [0, process.geteuid?.() ?? 0];
  if (status === undefined || (owners.includes(status.uid) && (status.mode & 0o022) === 0)) return null;
  return {
    ok: false,
    expected: "a module that only root or the guard's user may write",
    found: `one of uid ${status.uid} with mode ${(status.mode & 0o7777).toString(8)}`,
    advice: `what it does is done as the guard: chown it, and chmod go-w ${path}`,
  };
}
