import fs from "node:fs";
import path from "node:path";
import { formatManifest, MANIFEST_FILE, type Manifest, parseManifest } from "../../core/dataset/manifest.ts";

/**
 * Writes manifest.json anew: to a file beside it, which then takes its place (rename(2)), so that a reader always finds
 * a whole one.
 * @param safe have the kernel write it to the disk first (fsync(2))
 * @throws as node:fs does
 */
export function writeManifest(directory: string, manifest: Manifest, safe: boolean): void {
  const file = path.join(directory, MANIFEST_FILE);
  const beside = `${file}.tmp`;
  try {
    const descriptor = fs.openSync(beside, "w", 0o644);
    try {
      fs.writeFileSync(descriptor, formatManifest(manifest));
      if (safe) fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
    fs.renameSync(beside, file);
  } catch (error) {
    // On a full disk it would take the room that the next try needs.
    fs.rmSync(beside, { force: true });
    throw error;
  }
}

/** @throws Error when there is none that can be read */
export function readManifestFile(directory: string): Manifest {
  const file = path.join(directory, MANIFEST_FILE);
  const parsed = parseManifest(fs.readFileSync(file, "utf8"));
  if (parsed.ok) return parsed.value;
  throw new Error(`${file}: expected ${parsed.expected}, found ${parsed.found}`);
}
