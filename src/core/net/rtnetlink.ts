/** Messages of rtnetlink(7) and what they consist of: netlink(7), linux/netlink.h. */

export const HEADER_BYTES = 16;
/** Attributes that hold others bear a mark in the highest bits of their type. */
const TYPE_MASK = 0x3fff;

export const Reply = { error: 2, done: 3 } as const;
export const RequestFlag = {
  request: 1,
  acknowledge: 4,
  dump: 0x300,
  /** Of what makes something: it must not be there yet. */
  exclusive: 0x200,
  create: 0x400,
} as const;

/** All messages of a datagram, each from its header's end to its own; what is cut off is passed over. */
export function forEachMessage(
  bytes: Uint8Array,
  length: number,
  take: (view: DataView, type: number, from: number, end: number) => void,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, Math.min(length, bytes.length));
  for (let at = 0; at + HEADER_BYTES <= view.byteLength; ) {
    const size = view.getUint32(at, true);
    if (size < HEADER_BYTES || at + size > view.byteLength) break;
    take(view, view.getUint16(at + 4, true), at + HEADER_BYTES, at + size);
    at += (size + 3) & ~3;
  }
}

export function forEachAttribute(
  view: DataView,
  from: number,
  end: number,
  take: (type: number, at: number, stop: number) => void,
): void {
  for (let at = from; at + 4 <= end; ) {
    const size = view.getUint16(at, true);
    if (size < 4 || at + size > end) return;
    take(view.getUint16(at + 2, true) & TYPE_MASK, at + 4, at + size);
    at += (size + 3) & ~3;
  }
}

/** A request with room for what its header is followed by. */
export function newRequest(type: number, flags: number, bodyBytes: number): DataView {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + bodyBytes));
  view.setUint32(0, view.byteLength, true);
  view.setUint16(4, type, true);
  view.setUint16(6, RequestFlag.request | flags, true);
  return view;
}

/** The errno of a reply of type {@link Reply.error}, 0: it was done; null: cut off. */
export function errnoOf(view: DataView, from: number, end: number): number | null {
  return from + 4 <= end ? -view.getInt32(from, true) : null;
}
