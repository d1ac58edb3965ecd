/** Whether a file can be a module of callbacks; what it exports is known only when the thread of callbacks imports it. */
import { extname } from "node:path";
import { readSmallText, type TextRead } from "./read-text.ts";

/** One larger is no hand-written module. */
const MODULE_BYTES_MAX = 2 ** 20;
/** By it Node knows an ES module whatever package it lies in (nodejs.org/api/esm.html). */
const EXTENSION = ".mjs";
const EXPECTED = "a module of callbacks (an ES module, FILE.mjs)";

/** Blocking reads, never throws. The text is not looked at: what it means is for Node to say. */
export function readModule(path: string): TextRead {
  const read = readSmallText(path, {
    expected: EXPECTED,
    what: "the module",
    bytesMax: MODULE_BYTES_MAX,
    absent: 'check the path; "plimsoll init --callbacks" writes a module to begin with',
  });
  const ending = extname(path);
  if (!read.ok || ending === EXTENSION) return read;
  return {
    ok: false,
    expected: EXPECTED,
    found: ending === "" ? "a file without an ending" : `a file that ends with ${ending}`,
    advice: `call it ${path.slice(0, path.length - ending.length)}${EXTENSION}`,
  };
}
