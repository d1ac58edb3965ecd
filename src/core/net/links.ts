import { macAt, NO_MAC } from "./mac.ts";
import {
  errnoOf,
  forEachAttribute,
  forEachMessage,
  HEADER_BYTES,
  newRequest,
  Reply,
  RequestFlag,
} from "./rtnetlink.ts";

/** A network interface, as rtnetlink(7) tells of it (linux/if_link.h). */
export interface Link {
  /** Its ifindex. */
  readonly number: number;
  readonly name: string;
  /** {@link NO_MAC}: it has none of six bytes. */
  readonly mac: number;
  /** It is meant to be up (IFF_UP). */
  readonly up: boolean;
  readonly loopback: boolean;
  /** Of the bridge or bond that it belongs to; 0: of none. */
  readonly master: number;
  /** Of the interface it stands on, in this namespace (VLAN, macvlan); 0: none. */
  readonly parent: number;
  /** `bridge`, `bond`, `vlan`, `veth`, `tun`, …; empty: hardware. */
  readonly kind: string;
  /** `bridge` or `bond` and the like, when it has a master. */
  readonly masterKind: string;
  /** Of a VLAN interface; 0: it is none. */
  readonly vlan: number;
}

export type LinkMessage =
  | { readonly type: "link"; readonly link: Link }
  | { readonly type: "gone"; readonly number: number }
  | { readonly type: "done" }
  /** The errno of a refusal; 0: it was done. */
  | { readonly type: "answer"; readonly errno: number };

const LINK_BYTES = 16;
const Type = { newLink: 16, delLink: 17, getLink: 18, setLink: 19 } as const;
const Attribute = { address: 1, name: 3, link: 5, master: 10, info: 18, elsewhere: 37 } as const;
const Info = { kind: 1, data: 2, masterKind: 4 } as const;
const VLAN_ID = 1;
const UP = 1;
const LOOPBACK = 8;
const ETHERNET = 1;
const AF_BRIDGE = 7;

const decoder = new TextDecoder();

/** All messages of a datagram; what is cut off or is none is passed over. */
export function parseLinkMessages(bytes: Uint8Array, length: number): LinkMessage[] {
  const messages: LinkMessage[] = [];
  forEachMessage(bytes, length, (view, type, from, end) => {
    const message = oneMessage(view, type, from, end);
    if (message !== null) messages.push(message);
  });
  return messages;
}

function oneMessage(view: DataView, type: number, from: number, end: number): LinkMessage | null {
  if (type === Reply.done) return { type: "done" };
  if (type === Reply.error) {
    const errno = errnoOf(view, from, end);
    return errno === null ? null : { type: "answer", errno };
  }
  if ((type !== Type.newLink && type !== Type.delLink) || from + LINK_BYTES > end) return null;
  // A port's news of its bridge is told a second time, as of the bridge's family, also when it only leaves the bridge.
  if (view.getUint8(from) === AF_BRIDGE) return null;
  const number = view.getInt32(from + 4, true);
  if (type === Type.delLink) return { type: "gone", number };
  return { type: "link", link: linkOf(view, number, from, end) };
}

function linkOf(view: DataView, number: number, from: number, end: number): Link {
  const flags = view.getUint32(from + 8, true);
  const ethernet = view.getUint16(from + 2, true) === ETHERNET;
  const found = { name: "", mac: NO_MAC, master: 0, parent: 0, kind: "", masterKind: "", vlan: 0 };
  let elsewhere = false;
  forEachAttribute(view, from + LINK_BYTES, end, (type, at, stop) => {
    const size = stop - at;
    if (type === Attribute.name) found.name = text(view, at, stop);
    else if (type === Attribute.address && size === 6 && ethernet) found.mac = macAt(bytesOf(view), at);
    else if (type === Attribute.master && size >= 4) found.master = view.getUint32(at, true);
    else if (type === Attribute.link && size >= 4) found.parent = view.getUint32(at, true);
    else if (type === Attribute.elsewhere) elsewhere = true;
    else if (type === Attribute.info) readInfo(view, at, stop, found);
  });
  // Of a pair, each names the other: neither stands on it.
  if (elsewhere || found.kind === "veth") found.parent = 0;
  return { number, up: (flags & UP) !== 0, loopback: (flags & LOOPBACK) !== 0, ...found };
}

function readInfo(
  view: DataView,
  from: number,
  end: number,
  found: { kind: string; masterKind: string; vlan: number },
): void {
  let data = 0;
  let dataEnd = 0;
  forEachAttribute(view, from, end, (type, at, stop) => {
    if (type === Info.kind) found.kind = text(view, at, stop);
    else if (type === Info.masterKind) found.masterKind = text(view, at, stop);
    else if (type === Info.data) [data, dataEnd] = [at, stop];
  });
  if (found.kind !== "vlan") return;
  forEachAttribute(view, data, dataEnd, (type, at, stop) => {
    if (type === VLAN_ID && stop - at >= 2) found.vlan = view.getUint16(at, true);
  });
}

const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

function text(view: DataView, from: number, end: number): string {
  const bytes = bytesOf(view).subarray(from, end);
  const stop = bytes.indexOf(0);
  return decoder.decode(stop < 0 ? bytes : bytes.subarray(0, stop));
}

function request(type: number, flags: number, number: number, change: number): Uint8Array {
  const view = newRequest(type, flags, LINK_BYTES);
  view.setInt32(HEADER_BYTES + 4, number, true);
  view.setUint32(HEADER_BYTES + 8, change === 1 ? UP : 0, true);
  view.setUint32(HEADER_BYTES + 12, change === 0 ? 0 : UP, true);
  return bytesOf(view);
}

/** Asks for all interfaces. */
export const allLinksRequest = (): Uint8Array => request(Type.getLink, RequestFlag.dump, 0, 0);

/** Puts an interface up or down, by its number: a name may be another's by now. */
export const setUpRequest = (number: number, up: boolean): Uint8Array =>
  request(Type.setLink, RequestFlag.acknowledge, number, up ? 1 : -1);
