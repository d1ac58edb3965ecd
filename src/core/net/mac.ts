import { nameMatcher } from "./names.ts";

/** MAC addresses as numbers of 48 bits, which a double holds exactly: nothing is allocated for a frame. */

export const NO_MAC = 0;
const GROUP_BIT = 2 ** 40;

export function macAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  const low =
    (((bytes[at + 2] as number) << 24) |
      ((bytes[at + 3] as number) << 16) |
      ((bytes[at + 4] as number) << 8) |
      (bytes[at + 5] as number)) >>>
    0;
  return high * 2 ** 32 + low;
}

/** As `02:00:5e:00:01:0a`. */
export function macText(mac: number): string {
  return (mac.toString(16).padStart(12, "0").match(/../g) as string[]).join(":");
}

/** Null: it is none. */
export function parseMac(text: string): number | null {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text) ? parseInt(text.replaceAll(":", ""), 16) : null;
}

/** One that a single host may have: not empty, not of a group (IEEE 802: bit 0 of the first byte). */
export function isUnicast(mac: number): boolean {
  return mac !== NO_MAC && Math.floor(mac / GROUP_BIT) % 2 === 0;
}

/** First and last address of those that several hosts bear in turn, or at once, by design. */
const MOVING: readonly (readonly [number, number])[] = [
  // VRRP and CARP: RFC 5798, 7.3 (IPv4 and IPv6).
  [0x00005e000100, 0x00005e0002ff],
  // HSRP 1, HSRP 2, HSRP for IPv6: draft and RFC 2281; Cisco's documentation of HSRP.
  [0x00000c07ac00, 0x00000c07acff],
  [0x00000c9ff000, 0x00000c9fffff],
  [0x000573a00000, 0x000573a00fff],
  // GLBP.
  [0x0007b4000000, 0x0007b4ffffff],
  // Microsoft's network load balancing: 02-bf, and 02-01 to 02-20 as source addresses.
  [0x02bf00000000, 0x02bfffffffff],
];

/** Whether an address moves by design: of a redundancy protocol, or named by the policy (patterns with `*` and `?`). */
export function movingMacs(patterns: readonly string[]): (mac: number) => boolean {
  const named = nameMatcher(patterns.map((pattern) => pattern.toLowerCase()));
  return (mac) =>
    MOVING.some(([first, last]) => mac >= first && mac <= last) ||
    (patterns.length > 0 && named(macText(mac)));
}
