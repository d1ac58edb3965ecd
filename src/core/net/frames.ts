import { ADVERTISEMENT, SNAP_BYTES, SOLICITATION } from "./filter.ts";
import { isUnicast, macAt } from "./mac.ts";

/** What a frame says of who has which address. Reused: a parser fills it, and allocates nothing. */
export interface Heard {
  /** Source of the Ethernet frame. */
  sourceMac: number;
  /** Of a tag that is in the frame, inside the one that the kernel took off; 0: none. */
  vlan: number;
  /** Who is said to have the address: ARP's sender, or the link-layer address option of a neighbour message. */
  claimedMac: number;
  /** 4: IPv4, 6: IPv6, 0: it claims no address (ARP probe, duplicate address detection). */
  family: 0 | 4 | 6;
  /** The address, in network order; IPv4 in the last word. */
  readonly ip: Uint32Array;
  kind: "arp-request" | "arp-reply" | "solicitation" | "advertisement";
  /** So many bytes of the frame are the message; the rest is padding. */
  messageBytes: number;
}

export function emptyHeard(): Heard {
  const ip = new Uint32Array(4);
  return { sourceMac: 0, vlan: 0, claimedMac: 0, family: 0, ip, kind: "arp-request", messageBytes: 0 };
}

const ETHERNET_BYTES = 14;
const TAG_BYTES = 4;
const ARP_BYTES = 28;
const IPV6_BYTES = 40;
const NEIGHBOUR_BYTES = 24;
const TARGET_LINK_ADDRESS = 2;
const SOURCE_LINK_ADDRESS = 1;
/** RFC 4861, 7.1: a neighbour message that a router could have passed on is not valid. */
const HOP_LIMIT = 255;

const half = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

const word = (bytes: Uint8Array, at: number): number => (half(bytes, at) << 16) | half(bytes, at + 2);

/**
 * Parses an Ethernet frame with an ARP packet (RFC 826) or a neighbour message (RFC 4861), in up to two VLAN tags.
 * Padding after it is passed over; what is cut off, or is none, changes nothing but `heard`'s content.
 * @returns whether it is one, and well formed
 */
export function parseFrame(bytes: Uint8Array, from: number, length: number, heard: Heard): boolean {
  const end = from + length;
  let at = from + ETHERNET_BYTES;
  if (at > end) return false;
  heard.sourceMac = macAt(bytes, from + 6);
  if (!isUnicast(heard.sourceMac)) return false;
  heard.vlan = 0;
  let type = half(bytes, at - 2);
  for (let tags = 0; tags < 2 && (type === 0x8100 || type === 0x88a8); tags++) {
    if (at + TAG_BYTES > end) return false;
    heard.vlan = half(bytes, at) & 0xfff;
    type = half(bytes, at + 2);
    at += TAG_BYTES;
  }
  const neighbour = type === 0x86dd;
  heard.messageBytes = at - from + (neighbour ? IPV6_BYTES + NEIGHBOUR_BYTES : ARP_BYTES);
  if (neighbour) return parseNeighbour(bytes, at, end, length >= SNAP_BYTES, heard);
  return type === 0x0806 && parseArp(bytes, at, end, heard);
}

function parseArp(bytes: Uint8Array, at: number, end: number, heard: Heard): boolean {
  if (at + ARP_BYTES > end) return false;
  // Ethernet, IPv4, and their addresses' lengths: everything else has its fields elsewhere.
  if (half(bytes, at) !== 1 || half(bytes, at + 2) !== 0x0800) return false;
  if (bytes[at + 4] !== 6 || bytes[at + 5] !== 4) return false;
  const operation = half(bytes, at + 6);
  if (operation !== 1 && operation !== 2) return false;
  heard.kind = operation === 1 ? "arp-request" : "arp-reply";
  heard.claimedMac = macAt(bytes, at + 8);
  if (!isUnicast(heard.claimedMac)) return false;
  heard.ip.fill(0);
  heard.ip[3] = word(bytes, at + 14);
  heard.family = heard.ip[3] === 0 ? 0 : 4;
  return true;
}

/** @param more whether there may be more of the frame than was handed over */
function parseNeighbour(bytes: Uint8Array, at: number, end: number, more: boolean, heard: Heard): boolean {
  const message = at + IPV6_BYTES;
  if (message + NEIGHBOUR_BYTES > end) return false;
  if ((bytes[at] as number) >> 4 !== 6 || bytes[at + 6] !== 58 || bytes[at + 7] !== HOP_LIMIT) return false;
  const payload = half(bytes, at + 4);
  if (payload < NEIGHBOUR_BYTES || (message + payload > end && !more)) return false;
  const type = bytes[message];
  if ((type !== SOLICITATION && type !== ADVERTISEMENT) || bytes[message + 1] !== 0) return false;
  const stop = Math.min(end, message + payload);
  const advertised = type === ADVERTISEMENT;
  heard.kind = advertised ? "advertisement" : "solicitation";
  // An advertisement is about its target; a solicitation's sender is the source of the packet (none while it is testing).
  const address = advertised ? message + 8 : at + 8;
  for (let i = 0; i < 4; i++) heard.ip[i] = word(bytes, address + i * 4);
  heard.family = heard.ip.some((part) => part !== 0) ? 6 : 0;
  const option = advertised ? TARGET_LINK_ADDRESS : SOURCE_LINK_ADDRESS;
  const claimed = linkAddress(bytes, message + NEIGHBOUR_BYTES, stop, option);
  if (claimed < 0) return false;
  heard.claimedMac = claimed === 0 ? heard.sourceMac : claimed;
  return isUnicast(heard.claimedMac);
}

/** @returns 0 when there is no such option, -1 when the options are malformed */
function linkAddress(bytes: Uint8Array, from: number, end: number, wanted: number): number {
  let at = from;
  while (at < end) {
    if (at + 2 > end) return -1;
    const optionBytes = (bytes[at + 1] as number) * 8;
    if (optionBytes === 0 || at + optionBytes > end) return -1;
    if (bytes[at] === wanted) return macAt(bytes, at + 2);
    at += optionBytes;
  }
  return 0;
}

/**
 * A number for the message in a frame, the same for the same bytes (FNV-1a, 32 bits): what comes back is known by it.
 * Without padding, which is put on on the wire.
 */
export function messageHash(bytes: Uint8Array, from: number, { messageBytes }: Heard): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < from + messageBytes; at++) {
    hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  }
  return hash | 0;
}

/** An address in words, as `10.0.0.1` or eight groups in hexadecimal. */
export function ipText(family: 0 | 4 | 6, ip: ArrayLike<number>): string | null {
  if (family === 0) return null;
  const last = ip[3] as number;
  if (family === 4) return [last >>> 24, (last >>> 16) & 255, (last >>> 8) & 255, last & 255].join(".");
  return Array.from({ length: 8 }, (_, i) =>
    (((ip[i >> 1] as number) >>> (i % 2 === 0 ? 16 : 0)) & 0xffff).toString(16),
  ).join(":");
}
