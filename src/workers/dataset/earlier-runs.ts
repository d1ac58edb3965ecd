import fs from "node:fs";
import path from "node:path";
import { CGROUPS_FILE } from "../../core/dataset/cgroup-lines.ts";
import { MANIFEST_FILE } from "../../core/dataset/manifest.ts";
import { NAMES_FILE } from "../../core/dataset/name-lines.ts";
import { runNames } from "../../core/dataset/runs.ts";
import { parseSegmentFile } from "../../core/dataset/tables.ts";

interface Run {
  readonly name: string;
  readonly bytes: number;
}

/** The datasets that earlier starts of the guard left beside the present one. Nothing but a dataset's own files is removed. */
export class EarlierRuns {
  readonly #parent: string;
  /** Oldest first. */
  readonly #runs: Run[];

  /** @param directory of the present dataset */
  constructor(directory: string) {
    this.#parent = path.dirname(directory);
    const present = path.basename(directory);
    const earlier = runNames(fs.readdirSync(this.#parent)).filter((name) => name < present);
    this.#runs = earlier.map((name) => ({ name, bytes: this.#sizeOf(name) }));
  }

  get bytes(): number {
    return this.#runs.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Removes the oldest one. @returns false when there is none any more */
  removeOldest(): boolean {
    const oldest = this.#runs.shift();
    if (oldest === undefined) return false;
    this.#inside(oldest.name, (place) => {
      for (const name of ownFiles(place)) fs.rmSync(path.join(place, name), { force: true });
    });
    try {
      fs.rmdirSync(path.join(this.#parent, oldest.name));
    } catch {
      // Somebody keeps something of his own in it.
    }
    return true;
  }

  #sizeOf(run: string): number {
    let bytes = 0;
    this.#inside(run, (place) => {
      for (const name of ownFiles(place)) bytes += fs.lstatSync(path.join(place, name)).size;
    });
    return bytes;
  }

  /** By the directory itself, not by its name, which may become a link to elsewhere (proc_pid_fd(5)). */
  #inside(run: string, act: (place: string) => void): void {
    let descriptor: number | null = null;
    try {
      const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants;
      descriptor = fs.openSync(path.join(this.#parent, run), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      act(`/proc/self/fd/${descriptor}`);
    } catch {
      // It is gone, or is none of ours: it is left.
    } finally {
      if (descriptor !== null) fs.closeSync(descriptor);
    }
  }
}

/** None where there is no manifest: the directory is then no dataset. */
function ownFiles(place: string): readonly string[] {
  const names = fs.readdirSync(place);
  if (!names.includes(MANIFEST_FILE)) return [];
  const fixed = new Set([CGROUPS_FILE, NAMES_FILE, `${MANIFEST_FILE}.tmp`]);
  const others = names.filter((name) => fixed.has(name) || parseSegmentFile(name) !== null);
  // The manifest last: until then it is a dataset, which the next start finds again.
  return [...others, MANIFEST_FILE];
}
