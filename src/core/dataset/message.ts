import type { Column, ColumnType } from "../ring/layout.ts";
import { FlatTable } from "./flatbuffer.ts";

/**
 * Messages of an Arrow IPC stream (Arrow columnar format, "Encapsulated message format"; Message.fbs and Schema.fbs of
 * apache/arrow), as far as datasets have them, read so that no byte is trusted: what does not fit is "bad".
 */

/** 0xFFFFFFFF and the length of the metadata. */
export const PREFIX_BYTES = 8;
export const CONTINUATION = 0xffffffff;
/** Metadata of the widest table takes 4 KiB; what claims to be longer than this is none. */
export const METADATA_BYTES_MAX = 1 << 20;
/** Bodies and messages begin at multiples of it. */
export const ALIGNMENT_BYTES = 8;
/**
 * Custom metadata of a batch: CRC-32 (as of zlib) of its {@link shapeBytes} and, going on, of its body; eight
 * hexadecimal digits. Without, a bit that a disk turned would be a figure like any other.
 */
export const CHECKSUM_KEY = "crc32";

/** A batch's count of rows, its nodes and its buffers, as 64-bit numbers. */
export function shapeBytes(rows: number, nodes: readonly number[], buffers: readonly number[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from([rows, ...nodes, ...buffers], BigInt).buffer);
}

export function formatChecksum(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

const Header = { schema: 1, recordBatch: 3 } as const;
const Type = { int: 2, floatingPoint: 3 } as const;
const DOUBLE = 2;
const WIDTH_BYTES: Readonly<Record<ColumnType, number>> = { uint64: 8, int32: 4, float64: 8 };

/** Where a column lies in its batch's body. */
export interface ColumnPlace {
  readonly column: Column;
  readonly valuesAt: number;
  /** -1: no value is null. */
  readonly validityAt: number;
}

export type Message =
  | { readonly kind: "schema"; readonly columns: readonly Column[] }
  | {
      readonly kind: "batch";
      readonly rows: number;
      readonly bodyBytes: number;
      readonly places: readonly ColumnPlace[];
      readonly shape: Uint8Array;
      readonly checksum: string;
    }
  | { readonly kind: "bad"; readonly what: string };

function bad(what: string): Message {
  return { kind: "bad", what };
}

/**
 * Reads a message's metadata.
 * @param metadata without the prefix
 * @param columns of the stream's schema, that batches are read by
 */
export function readMessage(metadata: Uint8Array, columns: readonly Column[]): Message {
  const view = new DataView(metadata.buffer, metadata.byteOffset, metadata.byteLength);
  try {
    const message = FlatTable.root(view);
    const header = message.table(2);
    if (header === null) return bad("a message without a header");
    const bodyBytes = message.long(3, 0);
    switch (message.byte(1, 0)) {
      case Header.schema:
        return bodyBytes === 0 ? readSchema(header) : bad("a schema with a body");
      case Header.recordBatch:
        return readBatch(header, bodyBytes, columns, checksumOf(message.tables(4)));
      default:
        return bad("a message that is neither a schema nor a batch");
    }
  } catch (error) {
    if (error instanceof RangeError) return bad("metadata that points beyond its end");
    throw error;
  }
}

function checksumOf(entries: readonly FlatTable[]): string | null {
  return entries.find((entry) => entry.string(0) === CHECKSUM_KEY)?.string(1) ?? null;
}

function readSchema(schema: FlatTable): Message {
  if (schema.short(0, 0) !== 0) return bad("a schema of big-endian data");
  const columns: Column[] = [];
  for (const field of schema.tables(1)) {
    const name = field.string(0);
    const type = typeOf(field);
    if (name === null || type === null)
      return bad(`a column (${name ?? "without a name"}) of a type unknown here`);
    columns.push({ name, type, nullable: field.byte(1, 0) !== 0 });
  }
  return columns.length > 0 ? { kind: "schema", columns } : bad("a schema without columns");
}

function typeOf(field: FlatTable): ColumnType | null {
  const type = field.table(3);
  // Children or a dictionary: nested or encoded.
  if (type === null || field.table(4) !== null || field.tables(5).length > 0) return null;
  if (field.byte(2, 0) === Type.floatingPoint) return type.short(0, 0) === DOUBLE ? "float64" : null;
  if (field.byte(2, 0) !== Type.int) return null;
  const [bits, signed] = [type.int(0, 0), type.byte(1, 0) !== 0];
  if (bits === 64 && !signed) return "uint64";
  return bits === 32 && signed ? "int32" : null;
}

function readBatch(
  batch: FlatTable,
  bodyBytes: number,
  columns: readonly Column[],
  checksum: string | null,
): Message {
  const rows = batch.long(0, -1);
  const nodes = batch.pairs(1);
  const buffers = batch.pairs(2);
  if (batch.table(3) !== null) return bad("a compressed batch");
  if (checksum === null) return bad("a batch without a checksum");
  if (!(rows >= 0 && rows < 2 ** 31)) return bad(`a batch of ${rows} rows`);
  if (nodes.length !== columns.length * 2 || buffers.length !== columns.length * 4)
    return bad(`a batch of ${nodes.length / 2} columns where the schema has ${columns.length}`);
  const places: ColumnPlace[] = [];
  let end = 0;
  for (const [i, column] of columns.entries()) {
    const [nodeRows, nulls] = [nodes[i * 2] as number, nodes[i * 2 + 1] as number];
    const [validityAt, validityBytes] = [buffers[i * 4] as number, buffers[i * 4 + 1] as number];
    const [valuesAt, valuesBytes] = [buffers[i * 4 + 2] as number, buffers[i * 4 + 3] as number];
    const hasValidity = nulls > 0;
    const fits =
      nodeRows === rows &&
      nulls >= 0 &&
      nulls <= rows &&
      inBody(validityAt, validityBytes, hasValidity ? Math.ceil(rows / 8) : 0, bodyBytes) &&
      inBody(valuesAt, valuesBytes, rows * WIDTH_BYTES[column.type], bodyBytes);
    if (!fits) return bad(`a batch whose column ${column.name} does not fit into it`);
    end = Math.max(end, valuesAt + valuesBytes, validityAt + validityBytes);
    places.push({ column, valuesAt, validityAt: hasValidity ? validityAt : -1 });
  }
  // Padding apart, buffers fill the body: another length is a wrong one.
  if (bodyBytes % ALIGNMENT_BYTES !== 0 || bodyBytes - end >= 64) return bad(`a body of ${bodyBytes} bytes`);
  const shape = shapeBytes(rows, nodes, buffers);
  return { kind: "batch", rows, bodyBytes, places, shape, checksum };
}

/** The same names and types in the same order. */
export function sameColumns(a: readonly Column[], b: readonly Column[]): boolean {
  return a.length === b.length && a.every(({ name, type }, i) => name === b[i]?.name && type === b[i].type);
}

function inBody(at: number, bytes: number, neededBytes: number, bodyBytes: number): boolean {
  return at >= 0 && at % ALIGNMENT_BYTES === 0 && bytes >= neededBytes && at + bytes <= bodyBytes;
}
