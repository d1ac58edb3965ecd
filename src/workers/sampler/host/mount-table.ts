import fs from "node:fs";
import path from "node:path";
import { type Guarded, guardedMounts } from "../../../core/disk/mounts.ts";
import { type Mount, parseMountinfo } from "../../../core/parse/mountinfo.ts";
import { HeldFile } from "../../common/held-file.ts";

/**
 * /proc/self/mountinfo, held open: read at each look, and parsed only when it is not what it was. The kernel would tell
 * a change by poll(2) too, but to ask it so costs a tenth of a read, and a read cannot be wrong.
 */
export class MountTable {
  readonly #file: HeldFile;
  readonly #withDevice: ReadonlySet<string>;
  readonly #suspects = new Set<number>();
  #last = Buffer.alloc(0);
  #guarded: Guarded = { local: [], apart: [] };

  /** @throws as fs.openSync does */
  constructor(procRoot: string) {
    this.#file = HeldFile.open(path.join(procRoot, "self/mountinfo"), 16 * 1024);
    this.#withDevice = typesWithDevice(procRoot);
  }

  get guarded(): Guarded {
    return this.#guarded;
  }

  /** @returns whether the mounts to watch may be others than before */
  refresh(): boolean {
    const length = this.#file.read();
    if (length < 0) return false;
    const bytes = this.#file.bytes as Buffer;
    if (length === this.#last.length && bytes.compare(this.#last, 0, length, 0, length) === 0) return false;
    this.#last = Buffer.from(bytes.subarray(0, length));
    this.#choose();
    return true;
  }

  /** This mount hung, or may hang: it is not to be asked on a thread that others wait for. */
  suspect(mountId: number): void {
    this.#suspects.add(mountId);
    // Before the first look at the table there is nothing to choose from.
    if (this.#last.length > 0) this.#choose();
  }

  close(): void {
    this.#file.close();
  }

  #choose(): void {
    const mounts: Mount[] = parseMountinfo(this.#last, this.#last.length);
    for (const id of this.#suspects) if (!mounts.some((mount) => mount.id === id)) this.#suspects.delete(id);
    this.#guarded = guardedMounts(mounts, this.#withDevice, this.#suspects);
  }
}

/**
 * File system types that lie on a block device, by /proc/filesystems (proc_filesystems(5)). What is not in it at all is the
 * kernel's own, such as nsfs.
 */
function typesWithDevice(procRoot: string): ReadonlySet<string> {
  const lines = fs.readFileSync(path.join(procRoot, "filesystems"), "utf8").split("\n");
  return new Set(lines.filter((line) => line.startsWith("\t")).map((line) => line.slice(1)));
}
