import fs from "node:fs";
import type { CgroupIdentity } from "../../../core/cgroups/columns.ts";
import type { KeyedLines } from "../../../core/parse/keyed-lines.ts";

/** In the place of a descriptor: the file is not held open. */
export const CLOSED = -1;

/** What a cgroup is followed as. */
export interface FollowedFacts extends CgroupIdentity {
  readonly directory: string;
  /** For its memory.stat. */
  readonly lines: KeyedLines;
  /** For the n files of its details. */
  readonly detailFiles: number;
}

/** A cgroup that is followed: who it is, and which of its files are held open. */
export class FollowedCgroup {
  readonly number: number;
  readonly path: string;
  readonly directory: string;
  readonly inode: number;
  readonly lines: KeyedLines;
  onlyAncestor: boolean;
  /** It is looked at often. */
  fast = false;
  /** It was found to be gone; nothing more is read of it. */
  gone = false;
  usage = CLOSED;
  stat = CLOSED;
  readonly details: Int32Array;

  constructor(facts: FollowedFacts) {
    this.number = facts.number;
    this.path = facts.path;
    this.directory = facts.directory;
    this.inode = facts.inode;
    this.lines = facts.lines;
    this.onlyAncestor = facts.onlyAncestor;
    this.details = new Int32Array(facts.detailFiles).fill(CLOSED);
  }

  get identity(): CgroupIdentity {
    const { number, path, inode, onlyAncestor } = this;
    return { number, path, inode, onlyAncestor };
  }

  /** Closes the files of the details. @returns how many they were */
  closeDetails(): number {
    let closed = 0;
    for (let i = 0; i < this.details.length; i++) {
      closed += closeOne(this.details[i] as number);
      this.details[i] = CLOSED;
    }
    return closed;
  }

  /** Closes memory.stat too. @returns how many files were closed */
  closeStat(): number {
    const closed = closeOne(this.stat);
    this.stat = CLOSED;
    return closed + this.closeDetails();
  }

  /** Closes all. @returns how many files were closed */
  close(): number {
    const closed = closeOne(this.usage);
    this.usage = CLOSED;
    return closed + this.closeStat();
  }
}

function closeOne(descriptor: number): number {
  if (descriptor === CLOSED) return 0;
  fs.closeSync(descriptor);
  return 1;
}
