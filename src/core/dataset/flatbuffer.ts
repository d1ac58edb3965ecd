/**
 * Reading FlatBuffers (https://flatbuffers.dev/internals/) that nobody vouches for: all goes by way of a DataView, which
 * throws RangeError beyond its end, and lengths are checked before anything is counted by them.
 */
export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;

  /** @throws RangeError as all methods do, when it points beyond its end */
  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
  }

  /** The table that the whole buffer is. */
  static root(view: DataView): FlatTable {
    return new FlatTable(view, view.getUint32(0, true));
  }

  /** A scalar of so many bytes; `otherwise` where the table does not have it. */
  byte(field: number, otherwise: number): number {
    const at = this.#place(field);
    return at === 0 ? otherwise : this.#view.getUint8(at);
  }

  short(field: number, otherwise: number): number {
    const at = this.#place(field);
    return at === 0 ? otherwise : this.#view.getInt16(at, true);
  }

  int(field: number, otherwise: number): number {
    const at = this.#place(field);
    return at === 0 ? otherwise : this.#view.getInt32(at, true);
  }

  long(field: number, otherwise: number): number {
    const at = this.#place(field);
    return at === 0 ? otherwise : longAt(this.#view, at);
  }

  table(field: number): FlatTable | null {
    const at = this.#place(field);
    return at === 0 ? null : new FlatTable(this.#view, at + this.#view.getUint32(at, true));
  }

  string(field: number): string | null {
    const vector = this.#vector(field, 1);
    if (vector === null) return null;
    const bytes = new Uint8Array(this.#view.buffer, this.#view.byteOffset + vector.at, vector.length);
    return new TextDecoder().decode(bytes.slice());
  }

  tables(field: number): FlatTable[] {
    const vector = this.#vector(field, 4);
    if (vector === null) return [];
    return Array.from({ length: vector.length }, (_, i) => {
      const at = vector.at + i * 4;
      return new FlatTable(this.#view, at + this.#view.getUint32(at, true));
    });
  }

  /** A vector of structs of two 64-bit numbers, one after the other. */
  pairs(field: number): number[] {
    const vector = this.#vector(field, 16);
    if (vector === null) return [];
    return Array.from({ length: vector.length * 2 }, (_, i) => longAt(this.#view, vector.at + i * 8));
  }

  /** Where a field is, 0 when the table does not have it. */
  #place(field: number): number {
    const entries = this.#at - this.#view.getInt32(this.#at, true);
    const entryAt = 4 + field * 2;
    if (entryAt >= this.#view.getUint16(entries, true)) return 0;
    const offset = this.#view.getUint16(entries + entryAt, true);
    return offset === 0 ? 0 : this.#at + offset;
  }

  #vector(field: number, itemBytes: number): { readonly at: number; readonly length: number } | null {
    const place = this.#place(field);
    if (place === 0) return null;
    const vectorAt = place + this.#view.getUint32(place, true);
    const length = this.#view.getUint32(vectorAt, true);
    if (vectorAt + 4 + length * itemBytes > this.#view.byteLength)
      throw new RangeError("a vector beyond its end");
    return { at: vectorAt + 4, length };
  }
}

/** Past 2^53 it is not exact; nothing here is that long, so that it is refused by its size anyway. */
function longAt(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getInt32(at + 4, true) * 4294967296;
}
