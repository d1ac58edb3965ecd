import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { FONT_GZIP_BASE64 } from "./font-data.ts";

/** The family that {@link withFont}'s file has. */
export const FONT_FAMILY = "Plimsoll Sans";

/** Lends the program's own font as a file, as resvg takes fonts of no other kind, and removes it afterwards. */
export function withFont<T>(use: (file: string) => T): T {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-font-"));
  try {
    const file = path.join(directory, "plimsoll-sans.ttf");
    fs.writeFileSync(file, gunzipSync(Buffer.from(FONT_GZIP_BASE64, "base64")));
    return use(file);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
