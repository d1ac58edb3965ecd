import type { Batch } from "../common/dataset-reader.ts";
import { type Bearer, type Bearers, cellOf, type Encode, type ExportShape, wordsOf } from "./export-rows.ts";
import type { Output } from "./output.ts";

/** Rows that are written at once. */
const ROWS_PER_WRITE = 2048;

type Joined = Bearers["joined"][number];

function joinedValue(what: Joined, bearer: Bearer): string | number | null {
  return what === "inode" ? bearer.inode : bearer.name;
}

const NOT_JOINED: readonly Joined[] = [];
const NOBODY: Bearer = { name: null, inode: null };

/** How a text format writes what it consists of. */
interface TextFormat {
  /** Before the first row; empty for nothing. */
  heading(names: readonly string[]): string;
  /** Of a row, the part that is the same for all of a bearer's rows at one time. @param joined what of it is wanted */
  key(time: string | null, joined: readonly Joined[], bearer: Bearer): string;
  /** The cells, joined. @param names of the cells' columns */
  row(key: string, names: readonly string[], cells: readonly (number | bigint | null)[]): string;
}

/** A field as of RFC 4180: in quotes where it must be, quotes in it doubled. */
export function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** RFC 4180, with CRLF and a header; absent is empty, and a name is in quotes only where it must be. */
const CSV: TextFormat = {
  heading: (names) => `${names.map(csvField).join(",")}\r\n`,
  key: (time, joined, bearer) => {
    let key = time ?? "";
    for (const each of joined) key += `,${csvField(String(joinedValue(each, bearer) ?? ""))}`;
    return key;
  },
  row: (key, _, cells) => {
    let line = key;
    for (const cell of cells) line += cell === null ? "," : `,${cell}`;
    return `${line}\r\n`;
  },
};

/** One JSON object a line. */
const JSON_LINES: TextFormat = {
  heading: () => "",
  key: (time, joined, bearer) => {
    const values = joined.map((each) => [each, joinedValue(each, bearer)] as const);
    return JSON.stringify({ time, ...Object.fromEntries(values) }).slice(0, -1);
  },
  row: (key, names, cells) => {
    let line = key;
    for (let i = 0; i < names.length; i++) line += `,"${names[i]}":${cells[i]}`;
    return `${line}}\n`;
  },
};

export const encodeCsv: Encode = (batches, shape, output) => new TextTable(CSV, shape, output).write(batches);
export const encodeJsonLines: Encode = (batches, shape, output) =>
  new TextTable(JSON_LINES, shape, output).write(batches);

class TextTable {
  readonly #format: TextFormat;
  readonly #shape: ExportShape;
  readonly #names: readonly string[];
  readonly #output: Output;
  #pending = "";

  constructor(format: TextFormat, shape: ExportShape, output: Output) {
    this.#format = format;
    this.#shape = shape;
    this.#names = shape.columns.map(({ name }) => name);
    this.#output = output;
  }

  write(batches: Iterable<Batch>): void {
    const joined = this.#shape.bearers?.joined ?? NOT_JOINED;
    this.#pending = this.#format.heading(["time", ...joined, ...this.#names]);
    for (const batch of batches) this.#add(batch);
    this.#flush();
  }

  #add(batch: Batch): void {
    const columns = this.#names.map((name) => batch.column(name));
    const words = columns.map(wordsOf);
    const timeAt = this.#names.indexOf("timeUs");
    const { bearers } = this.#shape;
    const numberAt = bearers === null ? -1 : this.#names.indexOf(bearers.column);
    const joined = bearers?.joined ?? NOT_JOINED;
    const cells: (number | bigint | null)[] = [];
    const clock = new Clock(this.#shape.offsetUs);
    for (let row = 0; row < batch.rows; row++) {
      for (let i = 0; i < columns.length; i++)
        cells[i] = cellOf(columns[i] as (typeof columns)[number], words[i] as Uint32Array | null, row);
      const timeUs = cells[timeAt] ?? null;
      const bearer = bearers?.at(Number(cells[numberAt] ?? -1), Number(timeUs ?? 0)) ?? NOBODY;
      const key = this.#format.key(clock.text(timeUs), joined, bearer);
      this.#pending += this.#format.row(key, this.#names, cells);
      if (row % ROWS_PER_WRITE === ROWS_PER_WRITE - 1) this.#flush();
    }
    this.#flush();
  }

  #flush(): void {
    if (this.#pending !== "") this.#output.write(Buffer.from(this.#pending));
    this.#pending = "";
  }
}

/** Times of day, ISO 8601 with microseconds; the rows of a tick have the same. */
class Clock {
  readonly #offsetUs: number;
  #last: number | bigint | null = null;
  #text: string | null = null;

  constructor(offsetUs: number) {
    this.#offsetUs = offsetUs;
  }

  text(timeUs: number | bigint | null): string | null {
    if (timeUs === this.#last) return this.#text;
    this.#last = timeUs;
    this.#text = timeUs === null ? null : isoMicroseconds(Number(timeUs) + this.#offsetUs);
    return this.#text;
  }
}

/** The largest time that a Date can hold (ECMA-262), in ms. */
const DATE_MS_MAX = 8.64e15;

/** Microseconds since 1970 as ISO 8601; null for what is no time. */
export function isoMicroseconds(us: number): string | null {
  const ms = Math.floor(us / 1000);
  if (!(Math.abs(ms) <= DATE_MS_MAX)) return null;
  const rest = String(us - ms * 1000).padStart(3, "0");
  return `${new Date(ms).toISOString().slice(0, -1)}${rest}Z`;
}
