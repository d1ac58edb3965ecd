import { parseMac } from "../../src/core/net/mac.ts";

/** Builders of Ethernet frames, by the RFCs, for tests: apart from what parses them. */

export const BROADCAST = "ff:ff:ff:ff:ff:ff";

const macBytes = (text: string): number[] => text.split(":").map((part) => parseInt(part, 16));
const ipBytes = (text: string): number[] => text.split(".").map(Number);

export const mac = (text: string): number => {
  const parsed = parseMac(text);
  if (parsed === null) throw new Error(`${text} is no MAC address`);
  return parsed;
};

interface Ethernet {
  readonly source: string;
  readonly to?: string;
  /** Tags in the frame, outermost first. */
  readonly tags?: readonly number[];
}

function ethernet(
  { source, to = BROADCAST, tags = [] }: Ethernet,
  type: number,
  payload: number[],
): Uint8Array {
  const tagBytes = tags.flatMap((tag) => [0x81, 0x00, tag >> 8, tag & 255]);
  return Uint8Array.from([
    ...macBytes(to),
    ...macBytes(source),
    ...tagBytes,
    type >> 8,
    type & 255,
    ...payload,
  ]);
}

/** RFC 826: a request (1) or a reply (2); a gratuitous one asks for its own address. */
export function arp(
  options: Ethernet & {
    readonly ip: string;
    readonly asks?: string;
    readonly operation?: 1 | 2;
    readonly sender?: string;
  },
): Uint8Array {
  const { ip, asks = ip, operation = 1, sender = options.source } = options;
  return ethernet(options, 0x0806, [
    0,
    1,
    8,
    0,
    6,
    4,
    0,
    operation,
    ...macBytes(sender),
    ...ipBytes(ip),
    0,
    0,
    0,
    0,
    0,
    0,
    ...ipBytes(asks),
  ]);
}

/** RFC 4861: an advertisement of fe80::N, with its target's link-layer address. */
export function advertisement(
  options: Ethernet & { readonly last: number; readonly target?: string },
): Uint8Array {
  const address = [0xfe, 0x80, ...Array.from<number>({ length: 13 }).fill(0), options.last];
  const option = [2, 1, ...macBytes(options.target ?? options.source)];
  const message = [136, 0, 0, 0, 0x20, 0, 0, 0, ...address, ...option];
  const all = [0xff, 2, ...Array.from<number>({ length: 13 }).fill(0), 1];
  const header = [0x60, 0, 0, 0, 0, message.length, 58, 255];
  return ethernet(options, 0x86dd, [...header, ...address, ...all, ...message]);
}

/** As a frame is on the wire: at least 60 bytes. */
export function padded(frame: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.max(60, frame.length)).fill(0xa5);
  whole.set(frame);
  return whole;
}
