/**
 * What the kernel forgets of an interface that is put down, and does not know again when it is put up: its static routes,
 * and IPv6 addresses that somebody has set (net/ipv4/fib_frontend.c fib_disable_ip, net/ipv6/addrconf.c addrconf_ifdown).
 * It is kept as the kernel tells it, in the files that `ip address restore` and `ip route restore` read (ip-address(8),
 * ip-route(8)): a word that says what they are, then the messages.
 */
import {
  errnoOf,
  forEachAttribute,
  forEachMessage,
  HEADER_BYTES,
  newRequest,
  Reply,
  RequestFlag,
} from "./rtnetlink.ts";

/** In the order in which they are put back: a route may need an address. */
export const FORGOTTEN = ["addr", "route"] as const;
export type Forgotten = (typeof FORGOTTEN)[number];

/** iproute2, ip/ipaddress.c and ip/iproute.c. */
const MAGIC: Readonly<Record<Forgotten, number>> = { addr: 0x47361222, route: 0x45311224 };
const Type = { newAddress: 20, getAddress: 22, newRoute: 24, getRoute: 26 } as const;
const NEW: Readonly<Record<Forgotten, number>> = { addr: Type.newAddress, route: Type.newRoute };
const AF_INET = 2;
const AF_INET6 = 10;

/** linux/if_addr.h */
const ADDRESS_BYTES = 8;
const PERMANENT = 0x80;
const SCOPE_LINK = 253;
/** linux/rtnetlink.h */
const ROUTE_BYTES = 12;
const RouteAttribute = { outInterface: 4, multipath: 9, nextHop: 30 } as const;
const MADE_BY_KERNEL = 2;
/** By redirects and router advertisements: they come again by themselves. */
const LEARNED = new Set([1, 9]);
const TABLE_LOCAL = 255;
/** RTNH_F_ONLINK. What else there is says how it is now (no carrier, dead), and cannot be asked for. */
const ON_LINK = 4;

/** Asks for all that there may be. Kernels before Linux 5.0 tell of other interfaces too. */
export function forgottenRequests(ifindex: number): readonly Uint8Array[] {
  const addresses = newRequest(Type.getAddress, RequestFlag.dump, ADDRESS_BYTES);
  addresses.setUint8(HEADER_BYTES, AF_INET6);
  addresses.setUint32(HEADER_BYTES + 4, ifindex, true);
  const routes = [AF_INET, AF_INET6].map((family) => {
    const view = newRequest(Type.getRoute, RequestFlag.dump, ROUTE_BYTES + 8);
    view.setUint8(HEADER_BYTES, family);
    const attribute = HEADER_BYTES + ROUTE_BYTES;
    view.setUint16(attribute, 8, true);
    view.setUint16(attribute + 2, RouteAttribute.outInterface, true);
    view.setUint32(attribute + 4, ifindex, true);
    return view;
  });
  return [addresses, ...routes].map(({ buffer }) => new Uint8Array(buffer));
}

export type ForgottenMessage =
  | { readonly type: Forgotten; readonly message: Uint8Array }
  | { readonly type: "done" }
  /** The errno of a refusal; 0: it was done. */
  | { readonly type: "answer"; readonly errno: number };

/** Of a datagram, what has to be kept of this interface, each as it is to be asked for again. */
export function parseForgotten(bytes: Uint8Array, length: number, ifindex: number): ForgottenMessage[] {
  const messages: ForgottenMessage[] = [];
  forEachMessage(bytes, length, (view, type, from, end) => {
    if (type === Reply.done) messages.push({ type: "done" });
    if (type === Reply.error) {
      const errno = errnoOf(view, from, end);
      if (errno !== null) messages.push({ type: "answer", errno });
    }
    if (type === Type.newAddress && isKeptAddress(view, from, end, ifindex))
      messages.push({ type: "addr", message: asRequest(view, from, end) });
    if (type === Type.newRoute && isKeptRoute(view, from, end, ifindex)) {
      const message = asRequest(view, from, end);
      const route = new DataView(message.buffer, HEADER_BYTES);
      route.setUint32(8, route.getUint32(8, true) & ON_LINK, true);
      messages.push({ type: "route", message });
    }
  });
  return messages;
}

function isKeptAddress(view: DataView, from: number, end: number, ifindex: number): boolean {
  if (from + ADDRESS_BYTES > end || view.getUint8(from) !== AF_INET6) return false;
  const [flags, scope] = [view.getUint8(from + 2), view.getUint8(from + 3)];
  return view.getUint32(from + 4, true) === ifindex && (flags & PERMANENT) !== 0 && scope !== SCOPE_LINK;
}

function isKeptRoute(view: DataView, from: number, end: number, ifindex: number): boolean {
  if (from + ROUTE_BYTES > end) return false;
  const [table, protocol] = [view.getUint8(from + 4), view.getUint8(from + 5)];
  if (table === TABLE_LOCAL || protocol === MADE_BY_KERNEL || LEARNED.has(protocol)) return false;
  let out = 0;
  let shared = false;
  forEachAttribute(view, from + ROUTE_BYTES, end, (type, at, stop) => {
    if (type === RouteAttribute.outInterface && stop - at >= 4) out = view.getUint32(at, true);
    // A way among several stays, and works again when the interface does.
    if (type === RouteAttribute.multipath || type === RouteAttribute.nextHop) shared = true;
  });
  return out === ifindex && !shared;
}

/** The message that makes what one tells of. */
function asRequest(view: DataView, from: number, end: number): Uint8Array {
  const message = new Uint8Array((end - from + HEADER_BYTES + 3) & ~3);
  message.set(new Uint8Array(view.buffer, view.byteOffset + from - HEADER_BYTES, end - from + HEADER_BYTES));
  const header = new DataView(message.buffer);
  header.setUint32(0, end - from + HEADER_BYTES, true);
  const { request, acknowledge, create, exclusive } = RequestFlag;
  header.setUint16(6, request | acknowledge | create | exclusive, true);
  header.setUint32(8, 0, true);
  header.setUint32(12, 0, true);
  return message;
}

/** The text of a file, as `ip TYPE restore` reads it. */
export function formatForgotten(type: Forgotten, messages: readonly Uint8Array[]): Uint8Array {
  const magic = new Uint8Array(4);
  new DataView(magic.buffer).setUint32(0, MAGIC[type], true);
  return Buffer.concat([magic, ...messages]);
}

/** The messages of a file; null: it is none of this type. What is cut off at its end is passed over. */
export function readForgotten(type: Forgotten, file: Uint8Array): readonly Uint8Array[] | null {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file.length < 4 || view.getUint32(0, true) !== MAGIC[type]) return null;
  const messages: Uint8Array[] = [];
  const rest = file.subarray(4);
  forEachMessage(rest, rest.length, (inside, kind, from, end) => {
    if (kind === NEW[type]) messages.push(asRequest(inside, from, end));
  });
  return messages;
}
