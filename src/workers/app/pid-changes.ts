import type { PidSource } from "../common/pid-source.ts";

const FIRST_CAPACITY = 4096;

/** Which processes have come and gone between two looks: the list of pids is read, and nothing of who stays. */
export class PidChanges {
  readonly #source: PidSource;
  #before = new Int32Array(FIRST_CAPACITY);
  #now = new Int32Array(FIRST_CAPACITY);
  #count = 0;

  constructor(source: PidSource) {
    this.#source = source;
  }

  /** Lists the processes anew; those that have gone are told before those that have come. */
  look(appeared: (pid: number) => void, gone: (pid: number) => void): void {
    let count = this.#source.list(this.#now);
    while (count > this.#now.length) {
      this.#now = new Int32Array(count * 2);
      count = this.#source.list(this.#now);
    }
    const now = this.#now;
    if (isSame(now, count, this.#before, this.#count)) return;
    // The kernel lists them in order (next_tgid of fs/proc/base.c); one that does not is put in order here.
    if (!isAscending(now, count)) now.subarray(0, count).sort();
    this.#tell(this.#before, this.#count, now, count, gone);
    this.#tell(now, count, this.#before, this.#count, appeared);
    this.#now = this.#before;
    this.#before = now;
    this.#count = count;
  }

  close(): void {
    this.#source.close();
  }

  /** Tells of each that is in the one list and not in the other. */
  #tell(
    these: Int32Array,
    count: number,
    others: Int32Array,
    otherCount: number,
    tell: (pid: number) => void,
  ): void {
    for (let i = 0, other = 0; i < count; i++) {
      const pid = these[i] as number;
      while (other < otherCount && (others[other] as number) < pid) other++;
      if (other === otherCount || others[other] !== pid) tell(pid);
    }
  }
}

function isSame(these: Int32Array, count: number, others: Int32Array, otherCount: number): boolean {
  if (count !== otherCount) return false;
  for (let i = 0; i < count; i++) if (these[i] !== others[i]) return false;
  return true;
}

function isAscending(pids: Int32Array, count: number): boolean {
  for (let i = 1; i < count; i++) if ((pids[i] as number) <= (pids[i - 1] as number)) return false;
  return true;
}
