import fs from "node:fs";
import { crc32 } from "node:zlib";
import {
  ALIGNMENT_BYTES,
  type ColumnPlace,
  CONTINUATION,
  type Message,
  METADATA_BYTES_MAX,
  PREFIX_BYTES,
  formatChecksum,
  readMessage,
  sameColumns,
} from "../../core/dataset/message.ts";
import { TABLE_COLUMNS, type TableName } from "../../core/dataset/tables.ts";
import type { Column } from "../../core/ring/layout.ts";

/** The values of one column of a batch, as they lie in the file. */
export interface BatchColumn {
  readonly values: BigUint64Array | Int32Array | Float64Array;
  /** Bit i (least significant first) is 1: value i is there. Null: all are. */
  readonly validity: Uint8Array | null;
}

/** Rows that were written at once. Views of a buffer that is used again: valid until the next batch is asked for. */
export interface Batch {
  readonly rows: number;
  /** @throws Error for a column that the table does not have */
  column(name: string): BatchColumn;
}

/** Says from where on something could not be read, and what. */
export type Lose = (offsetBytes: number, what: string) => void;

const WINDOW_BYTES = 1 << 20;
/** Of an end-of-stream mark the length is 0. */
const END_OF_STREAM = 0;

/**
 * Batches of one Arrow IPC stream file. Neither what is missing at its end nor what is wrong in it throws: reading goes
 * on at the next message that makes sense.
 * @returns the rows that were read, and where the last message ends that makes sense
 */
export function* segmentBatches(
  file: string,
  table: TableName,
  lose: Lose,
): Generator<Batch, { readonly rows: number; readonly bytes: number }, undefined> {
  let window: Window;
  try {
    window = new Window(file);
  } catch (error) {
    lose(0, (error as Error).message);
    return { rows: 0, bytes: 0 };
  }
  try {
    return yield* new SegmentReader(window, TABLE_COLUMNS[table], lose).read();
  } finally {
    window.close();
  }
}

/** A message where it stands in the file. */
interface Found {
  readonly message: Message | { readonly kind: "end" };
  /** Of its body, in the file. */
  readonly bodyAt: number;
}

class SegmentReader {
  readonly #window: Window;
  readonly #lose: Lose;
  readonly #columns: readonly Column[];
  #at = 0;
  #rows = 0;
  #soundBytes = 0;

  constructor(window: Window, columns: readonly Column[], lose: Lose) {
    this.#window = window;
    this.#columns = columns;
    this.#lose = lose;
  }

  *read(): Generator<Batch, { readonly rows: number; readonly bytes: number }, undefined> {
    while (this.#at < this.#window.sizeBytes) {
      const { message, bodyAt } = this.#messageAt(this.#at);
      if (message.kind === "end" && bodyAt === this.#window.sizeBytes) {
        this.#soundBytes = bodyAt;
        break;
      }
      if (message.kind === "schema") {
        // The schema's version says what the columns are; their description may be what is damaged.
        if (!sameColumns(message.columns, this.#columns))
          this.#lose(this.#at, "other columns than the table has; the table's own are taken");
        this.#at = bodyAt;
        this.#soundBytes = bodyAt;
      } else if (message.kind === "batch") {
        const batch = this.#batch(message, bodyAt);
        if (batch === null) {
          // Its length may be what is wrong.
          this.#skip(`a batch of ${message.rows} rows whose checksum is wrong`);
          continue;
        }
        this.#at = bodyAt + message.bodyBytes;
        this.#soundBytes = this.#at;
        this.#rows += batch.rows;
        yield batch;
      } else {
        this.#skip(message.kind === "bad" ? message.what : "an end of the stream before the file's");
      }
    }
    return { rows: this.#rows, bytes: this.#soundBytes };
  }

  #messageAt(at: number): Found {
    const wrong = (what: string): Found => ({ message: { kind: "bad", what }, bodyAt: at });
    const prefixAt = this.#window.need(at, PREFIX_BYTES);
    if (prefixAt < 0) return wrong("cut off in mid-message");
    const continuation = this.#window.view.getUint32(prefixAt, true);
    const metadataBytes = this.#window.view.getUint32(prefixAt + 4, true);
    if (continuation !== CONTINUATION) return wrong("expected a message, found something else");
    if (metadataBytes === END_OF_STREAM) return { message: { kind: "end" }, bodyAt: at + PREFIX_BYTES };
    if (metadataBytes > METADATA_BYTES_MAX || metadataBytes % ALIGNMENT_BYTES !== 0)
      return wrong(`a message with metadata of ${metadataBytes} bytes`);
    const metadataAt = this.#window.need(at + PREFIX_BYTES, metadataBytes);
    if (metadataAt < 0) return wrong("cut off in mid-message");
    const metadata = this.#window.bytes.subarray(metadataAt, metadataAt + metadataBytes);
    const message = readMessage(metadata, this.#columns);
    const bodyAt = at + PREFIX_BYTES + metadataBytes;
    if (message.kind === "schema" && !this.#messageMayBeAt(bodyAt))
      return wrong("a schema of a wrong length");
    if (message.kind === "batch" && bodyAt + message.bodyBytes > this.#window.sizeBytes)
      return wrong(`cut off in a batch of ${message.rows} rows`);
    return { message, bodyAt };
  }

  #messageMayBeAt(at: number): boolean {
    const index = this.#window.need(at, PREFIX_BYTES);
    return index < 0 || this.#window.view.getUint32(index, true) === CONTINUATION;
  }

  /** @returns null when it cannot be read, or not be as it was written */
  #batch(message: Message & { readonly kind: "batch" }, bodyAt: number): Batch | null {
    const { rows, bodyBytes, places, shape, checksum } = message;
    const at = this.#window.need(bodyAt, bodyBytes);
    if (at < 0) return null;
    const body = this.#window.bytes.subarray(at, at + bodyBytes);
    if (formatChecksum(crc32(body, crc32(shape))) !== checksum) return null;
    const column = (name: string): BatchColumn => {
      const place = places.find((each) => each.column.name === name);
      if (place === undefined) throw new Error(`no column ${name}`);
      return columnOf(body, place, rows);
    };
    return { rows, column };
  }

  /** Goes on to the next message that makes sense, or to the end, and says so. */
  #skip(what: string): void {
    const from = this.#at;
    let at = from;
    do {
      at = this.#window.find(at + ALIGNMENT_BYTES);
      // An end is 8 bytes that may be found anywhere; only the file's own counts.
    } while (at < this.#window.sizeBytes && !this.#sensibleAt(at));
    this.#at = at;
    this.#lose(from, `${what}; ${at - from} bytes are passed over`);
  }

  #sensibleAt(at: number): boolean {
    const { message, bodyAt } = this.#messageAt(at);
    if (message.kind === "end") return bodyAt === this.#window.sizeBytes;
    return message.kind !== "bad";
  }
}

function columnOf(
  body: Uint8Array,
  { column, valuesAt, validityAt }: ColumnPlace,
  rows: number,
): BatchColumn {
  const { buffer } = body;
  const at = body.byteOffset + valuesAt;
  const validity = validityAt < 0 ? null : body.subarray(validityAt, validityAt + Math.ceil(rows / 8));
  switch (column.type) {
    case "uint64":
      return { values: new BigUint64Array(buffer, at, rows), validity };
    case "int32":
      return { values: new Int32Array(buffer, at, rows), validity };
    case "float64":
      return { values: new Float64Array(buffer, at, rows), validity };
  }
}

/** A part of a file in memory, that moves along and grows with the largest message. */
class Window {
  readonly sizeBytes: number;
  readonly #descriptor: number;
  bytes = new Uint8Array(WINDOW_BYTES);
  view = new DataView(this.bytes.buffer);
  /** Where in the file the window begins, a multiple of 8; how much of it is filled. */
  #from = 0;
  #filled = 0;

  /** @throws as fs.openSync does */
  constructor(file: string) {
    this.#descriptor = fs.openSync(file, fs.constants.O_RDONLY);
    this.sizeBytes = fs.fstatSync(this.#descriptor).size;
  }

  /** @returns where in {@link bytes} the file's bytes from `at` are; -1 when they are not to be had */
  need(at: number, lengthBytes: number): number {
    if (at + lengthBytes > this.sizeBytes) return -1;
    if (at < this.#from || at + lengthBytes > this.#from + this.#filled) {
      this.#move(at, lengthBytes);
      if (at + lengthBytes > this.#from + this.#filled) return -1;
    }
    return at - this.#from;
  }

  /** The next place from `at` on where a message could begin; the file's size when there is none. */
  find(at: number): number {
    for (let place = at; ; place += ALIGNMENT_BYTES) {
      const index = this.need(place, PREFIX_BYTES);
      if (index < 0) return this.sizeBytes;
      if (this.view.getUint32(index, true) === CONTINUATION) return place;
    }
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }

  #move(at: number, lengthBytes: number): void {
    const kept = at >= this.#from ? Math.max(0, this.#from + this.#filled - at) : 0;
    const old = this.bytes;
    if (lengthBytes > old.length) {
      this.bytes = new Uint8Array(2 ** Math.ceil(Math.log2(lengthBytes)));
      this.view = new DataView(this.bytes.buffer);
    }
    this.bytes.set(old.subarray(this.#filled - kept, this.#filled));
    this.#from = at;
    this.#filled = kept;
    while (this.#filled < this.bytes.length) {
      const length = this.#read(at + this.#filled);
      if (length === 0) break;
      this.#filled += length;
    }
  }

  /** A part of the disk that cannot be read is as one that is not there. */
  #read(at: number): number {
    try {
      return fs.readSync(this.#descriptor, this.bytes, this.#filled, this.bytes.length - this.#filled, at);
    } catch {
      return 0;
    }
  }
}
