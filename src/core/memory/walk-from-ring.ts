import type { RingReader } from "../ring/reader.ts";
import { Proc, WalkStamp } from "../samples.ts";
import type { MutableProcessRow, Walk } from "./decision.ts";

const ZOMBIE = "Z".charCodeAt(0);
const DEAD = "X".charCodeAt(0);

/** Takes walks out of the processes' ring. The rows are kept and filled anew each time. */
export class WalkReader {
  readonly #reader: RingReader;
  readonly #pool: MutableProcessRow[] = [];
  #taken = -1;

  constructor(reader: RingReader) {
    this.#reader = reader;
    this.#taken = reader.newestSealed;
  }

  /** The newest walk, when there is one that was not taken yet and the sampler has not begun to overwrite. */
  next(): Walk | null {
    const sequence = this.#reader.newestSealed;
    if (sequence < 0 || sequence === this.#taken) return null;
    this.#taken = sequence;
    const count = this.#reader.segmentRows(sequence);
    const rows: MutableProcessRow[] = [];
    for (let i = 0; i < count; i++) {
      let row = this.#pool[i];
      if (row === undefined) {
        row = emptyRow();
        this.#pool.push(row);
      }
      this.#fill(row, sequence, i);
      rows.push(row);
    }
    const walk: Walk = {
      rows,
      beganUs: this.#reader.segmentStamp(sequence, WalkStamp.beganUs),
      endedUs: this.#reader.segmentStamp(sequence, WalkStamp.endedUs),
      nowTicks: this.#reader.segmentStamp(sequence, WalkStamp.nowTicks),
      leftOut: this.#reader.segmentStamp(sequence, WalkStamp.leftOut),
    };
    return this.#reader.intact(sequence) ? walk : null;
  }

  #fill(row: MutableProcessRow, sequence: number, at: number): void {
    const value = (column: number): number => this.#reader.segmentValue(sequence, column, at);
    const state = value(Proc.state);
    row.pid = value(Proc.pid);
    row.startTicks = value(Proc.startTicks);
    row.ppid = value(Proc.ppid);
    row.processGroup = value(Proc.processGroup);
    row.session = value(Proc.session);
    row.uid = absent(value(Proc.uid));
    row.kernelThread = value(Proc.kernelThread) === 1;
    row.zombie = state === ZOMBIE || state === DEAD;
    row.residentBytes = value(Proc.residentBytes);
    row.anonBytes = absent(value(Proc.anonBytes));
    row.swapBytes = absent(value(Proc.swapBytes));
    row.ownSharedBytes = absent(value(Proc.ownSharedBytes));
    row.oomScoreAdj = absent(value(Proc.oomScoreAdj));
    row.cgroupId = absent(value(Proc.cgroupId));
    row.cgroupAsOne = value(Proc.cgroupAsOne) === 1;
    row.preference = value(Proc.preference);
    row.never = value(Proc.never) === 1;
    row.forked = value(Proc.forked) === 1;
    row.cpuTicks = absent(value(Proc.cpuTicks)) ?? 0;
    row.childTicks = absent(value(Proc.childTicks)) ?? 0;
    row.grownBytes = 0;
  }
}

function absent(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** A process of which nothing is known yet. */
export function emptyRow(): MutableProcessRow {
  return {
    pid: 0,
    startTicks: 0,
    ppid: 0,
    processGroup: 0,
    session: 0,
    uid: null,
    kernelThread: false,
    zombie: false,
    residentBytes: 0,
    anonBytes: null,
    swapBytes: null,
    ownSharedBytes: null,
    oomScoreAdj: null,
    cgroupId: null,
    cgroupAsOne: false,
    preference: 0,
    never: false,
    grownBytes: 0,
    forked: false,
    cpuTicks: 0,
    childTicks: 0,
  };
}
