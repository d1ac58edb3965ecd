import { valueOf, type WordColumn } from "../calibration/columns.ts";
import { Growing } from "./growing.ts";

/** A process of an application, as names.jsonl tells of it. */
export interface AppProcess {
  readonly application: string;
  readonly group: string;
  /** Null: the group's members are not told apart. */
  readonly member: string | null;
  /** In words. */
  readonly pid: string;
  /** It belongs to the member as a subprocess. */
  readonly isChild: boolean;
}

/** Who a row's process is; the same object for the same process. Null: the recording does not tell. */
export type ProcessAt = (number: number, timeUs: number) => AppProcess | null;

/** A batch of the table `app`. */
export interface AppBatch {
  readonly rows: number;
  readonly time: WordColumn;
  readonly process: WordColumn;
  readonly resident: WordColumn;
  readonly allocated: WordColumn;
  readonly committed: WordColumn;
  readonly commitLimit: WordColumn;
  readonly total: WordColumn;
  readonly available: WordColumn;
  readonly free: WordColumn;
}

/** What the processes of a line had together, look by look. Times are of the dataset's clock. */
export interface AppLine {
  readonly application: string;
  /** Null: all groups together. */
  readonly group: string | null;
  readonly member: string | null;
  readonly timesUs: Float64Array;
  /** Sums over the processes; NaN where one of them could not be read, and once where none was there. */
  readonly residentBytes: Float64Array;
  readonly allocatedBytes: Float64Array;
  /** Looks in which not all of it could be read. */
  readonly incompleteLooks: number;
  readonly processesMax: number;
  /** The most that subprocesses had allocated at once. */
  readonly childrenAllocatedMaxBytes: number;
}

/** What the looks say of the host. */
export interface AppHost {
  readonly timesUs: Float64Array;
  readonly committedBytes: Float64Array;
  readonly commitLimitBytes: Float64Array;
  readonly totalBytes: Float64Array;
  readonly availableBytes: Float64Array;
  readonly freeBytes: Float64Array;
}

export interface AppsRead {
  /** By application; of each first its total, then each group and its members. */
  readonly lines: readonly AppLine[];
  readonly host: AppHost;
  readonly looks: number;
  readonly rows: number;
  /** Rows of processes that names.jsonl says nothing of. */
  readonly unknownRows: number;
  /** Rows without a time, or of a time that had passed already. */
  readonly misplacedRows: number;
}

/** Gathers the rows of looks into sums. Rows of one look bear the same time and follow each other. */
export class AppLooks {
  readonly #processAt: ProcessAt;
  readonly #lines = new Map<string, Line>();
  readonly #linesOf = new Map<AppProcess, readonly Line[]>();
  #touched: Line[] = [];
  #timeUs = Number.NaN;
  readonly #host = Array.from({ length: 6 }, () => new Growing());
  #looks = 0;
  #rows = 0;
  #unknownRows = 0;
  #misplacedRows = 0;

  constructor(processAt: ProcessAt) {
    this.#processAt = processAt;
  }

  take(batch: AppBatch): void {
    for (let row = 0; row < batch.rows; row++) {
      this.#rows++;
      const timeUs = valueOf(batch.time, row);
      if (timeUs !== this.#timeUs) {
        if (!(timeUs > this.#timeUs || (Number.isNaN(this.#timeUs) && timeUs >= 0))) {
          this.#misplacedRows++;
          continue;
        }
        this.#endLook();
        this.#beginLook(timeUs, batch, row);
      }
      const process = this.#processAt(valueOf(batch.process, row), timeUs);
      if (process === null) {
        this.#unknownRows++;
        continue;
      }
      const residentBytes = valueOf(batch.resident, row);
      const allocatedBytes = valueOf(batch.allocated, row);
      for (const line of this.#linesFor(process)) {
        if (line.add(this.#looks, process.isChild, residentBytes, allocatedBytes)) this.#touched.push(line);
      }
    }
  }

  finish(): AppsRead {
    this.#endLook();
    const [times, committed, commitLimit, total, available, free] = this.#host.map((each) => each.view());
    const lines = [...this.#lines.values()].map((line) => line.read());
    return {
      lines: lines.toSorted(inOrder),
      host: {
        timesUs: times as Float64Array,
        committedBytes: committed as Float64Array,
        commitLimitBytes: commitLimit as Float64Array,
        totalBytes: total as Float64Array,
        availableBytes: available as Float64Array,
        freeBytes: free as Float64Array,
      },
      looks: this.#looks,
      rows: this.#rows,
      unknownRows: this.#unknownRows,
      misplacedRows: this.#misplacedRows,
    };
  }

  #beginLook(timeUs: number, batch: AppBatch, row: number): void {
    this.#timeUs = timeUs;
    this.#looks++;
    const { committed, commitLimit, total, available, free } = batch;
    this.#host[0]?.push(timeUs);
    [committed, commitLimit, total, available, free].forEach((column, i) => {
      this.#host[i + 1]?.push(valueOf(column, row));
    });
  }

  #endLook(): void {
    for (const line of this.#touched) line.endLook(this.#timeUs);
    this.#touched = [];
  }

  /** The lines that a process counts in: its member's, its group's, its application's. */
  #linesFor(process: AppProcess): readonly Line[] {
    const known = this.#linesOf.get(process);
    if (known !== undefined) return known;
    const { application, group, member } = process;
    const total = this.#line(application, null, null, null);
    const lines = [total, this.#line(application, group, null, total)];
    if (member !== null) lines.push(this.#line(application, group, member, total));
    this.#linesOf.set(process, lines);
    return lines;
  }

  #line(application: string, group: string | null, member: string | null, total: Line | null): Line {
    const key = JSON.stringify([application, group, member]);
    const line = this.#lines.get(key) ?? new Line(application, group, member, total);
    this.#lines.set(key, line);
    return line;
  }
}

class Line {
  readonly #application: string;
  readonly #group: string | null;
  readonly #member: string | null;
  /** The application's own line, whose looks are those at which this one could have been seen; null: it is that one. */
  readonly #total: Line | null;
  readonly #times = new Growing();
  readonly #resident = new Growing();
  readonly #allocated = new Growing();
  #look = 0;
  /** Of the application's looks, how many there were up to the last one of this line. */
  #turn = 0;
  #turns = 0;
  #lastUs = Number.NaN;
  #beforeUs = Number.NaN;
  #residentBytes = 0;
  #allocatedBytes = 0;
  #processes = 0;
  #childrenBytes = 0;
  #incompleteLooks = 0;
  #processesMax = 0;
  #childrenMaxBytes = 0;

  constructor(application: string, group: string | null, member: string | null, total: Line | null) {
    this.#application = application;
    this.#group = group;
    this.#member = member;
    this.#total = total;
  }

  /** @returns whether it is the first row of this look */
  add(look: number, isChild: boolean, residentBytes: number, allocatedBytes: number): boolean {
    const first = this.#look !== look;
    if (first) {
      this.#look = look;
      this.#residentBytes = 0;
      this.#allocatedBytes = 0;
      this.#processes = 0;
      this.#childrenBytes = 0;
    }
    this.#residentBytes += residentBytes;
    this.#allocatedBytes += allocatedBytes;
    this.#processes++;
    if (isChild) this.#childrenBytes += allocatedBytes;
    return first;
  }

  /** Totals come before the lines that they are of: their turn has been counted by then. */
  endLook(timeUs: number): void {
    if (this.#total === null) {
      this.#turns++;
      this.#beforeUs = this.#lastUs;
      this.#lastUs = timeUs;
    } else {
      const turn = this.#total.#turns;
      // It was not there in between.
      if (this.#turn > 0 && turn > this.#turn + 1) this.#push(this.#total.#beforeUs, Number.NaN, Number.NaN);
      this.#turn = turn;
    }
    const complete = !Number.isNaN(this.#residentBytes) && !Number.isNaN(this.#allocatedBytes);
    if (!complete) this.#incompleteLooks++;
    this.#processesMax = Math.max(this.#processesMax, this.#processes);
    if (this.#childrenBytes > this.#childrenMaxBytes) this.#childrenMaxBytes = this.#childrenBytes;
    this.#push(timeUs, this.#residentBytes, this.#allocatedBytes);
  }

  read(): AppLine {
    return {
      application: this.#application,
      group: this.#group,
      member: this.#member,
      timesUs: this.#times.view(),
      residentBytes: this.#resident.view(),
      allocatedBytes: this.#allocated.view(),
      incompleteLooks: this.#incompleteLooks,
      processesMax: this.#processesMax,
      childrenAllocatedMaxBytes: this.#childrenMaxBytes,
    };
  }

  #push(timeUs: number, residentBytes: number, allocatedBytes: number): void {
    this.#times.push(timeUs);
    this.#resident.push(residentBytes);
    this.#allocated.push(allocatedBytes);
  }
}

/** By application; totals first, then groups by name, members after their group; "package 9" is before "package 10". */
function inOrder(a: AppLine, b: AppLine): number {
  return compare(a.application, b.application) || compare(a.group, b.group) || compare(a.member, b.member);
}

function compare(a: string | null, b: string | null): number {
  if (a === null || b === null) return Number(b === null) - Number(a === null);
  return a.localeCompare(b, "en", { numeric: true });
}
