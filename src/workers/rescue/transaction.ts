import type { LimitFile } from "./limit-file.ts";
import type { Journal } from "./journal.ts";

/** Files that one rescue or return changes at most: the donors', and the receiver's two. */
interface Change {
  file: LimitFile | null;
  inode: number;
  fromBytes: number;
  toBytes: number;
}

/** Why a transaction did not take place. */
export interface Refusal {
  readonly path: string;
  /** The kernel's word, such as EBUSY. */
  readonly code: string;
}

/**
 * Changes of limits that are made together or not at all: journaled in one write first, then written in the order in
 * which they were added. When the kernel refuses one, those before it are put back. Reused, so that nothing is made.
 */
export class Transaction {
  readonly #journal: Journal;
  readonly #changes: Change[] = [];
  #count = 0;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** What a limit was before the guard first changed it; NaN when it is what it was. */
  originalOf(file: LimitFile, inode: number): number {
    return this.#journal.originalOf(file.path, inode);
  }

  begin(): void {
    this.#count = 0;
  }

  /** @param inode of the cgroup's directory: who finds the journal later puts nothing back into another cgroup */
  add(file: LimitFile, inode: number, fromBytes: number, toBytes: number): void {
    const change = (this.#changes[this.#count] ??= { file: null, inode: 0, fromBytes: 0, toBytes: 0 });
    change.file = file;
    change.inode = inode;
    change.fromBytes = fromBytes;
    change.toBytes = toBytes;
    this.#count++;
  }

  /**
   * Writes what a file held before the guard first changed it, and takes it off the journal. That needs no journal
   * first, so it is done on a full disk too: whoever finds the journal knows the original for the guard's own.
   * @returns the kernel's refusal
   */
  putBack(file: LimitFile, inode: number, originalBytes: number): string | null {
    const code = file.write(originalBytes);
    if (code !== null) return `${file.path}: ${code}`;
    this.#journal.strike(file.path, inode, "done");
    this.#journal.commit();
    return null;
  }

  /** Does all but writing, so that the way there stays in the processor's caches. */
  rehearse(): void {
    this.#prepare();
    this.#journal.discard();
  }

  #prepare(): void {
    for (let i = 0; i < this.#count; i++) {
      const { file, inode, fromBytes, toBytes } = this.#changes[i] as Change;
      this.#journal.set((file as LimitFile).path, inode, fromBytes, toBytes);
    }
  }

  /** @returns null when all is done */
  commit(): Refusal | null {
    this.#prepare();
    const unwritten = this.#journal.commit();
    if (unwritten !== null) return { path: this.#journal.path, code: unwritten.code };
    for (let i = 0; i < this.#count; i++) {
      const { file, toBytes } = this.#changes[i] as Change;
      const code = (file as LimitFile).write(toBytes);
      if (code === null) continue;
      this.#rollBack(i);
      return { path: (file as LimitFile).path, code };
    }
    return null;
  }

  /** What was changed is what it was again; what is now as the guard found it is off the journal. */
  #rollBack(failed: number): void {
    for (let i = this.#count - 1; i >= 0; i--) {
      const { file, inode, fromBytes, toBytes } = this.#changes[i] as Change;
      const { path } = file as LimitFile;
      if (i < failed) (file as LimitFile).write(fromBytes);
      this.#journal.set(path, inode, toBytes, fromBytes);
    }
    this.#journal.commit();
    this.settle();
  }

  /** Takes off the journal what is back at what the guard found. To be called when there is time. */
  settle(): void {
    for (let i = 0; i < this.#count; i++) {
      const { file, inode } = this.#changes[i] as Change;
      this.#journal.settle((file as LimitFile).path, inode);
    }
    this.#journal.commit();
  }
}
