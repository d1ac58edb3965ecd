import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { othersFilter, ownFilter } from "../../src/core/net/filter.ts";
import { emptyHeard, ipText, messageHash, parseFrame } from "../../src/core/net/frames.ts";
import { macText, movingMacs, parseMac } from "../../src/core/net/mac.ts";
import { advertisement, arp, mac, padded } from "../support/frames.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const A = "02:00:00:00:00:0a";
const B = "02:00:00:00:00:0b";

function parsed(frame: Uint8Array): ReturnType<typeof emptyHeard> | null {
  const heard = emptyHeard();
  return parseFrame(frame, 0, frame.length, heard) ? heard : null;
}

/** Classic BPF as socket(7) and filter.rst define it: what the kernel does with a filter of ours. */
function runFilter(program: Uint8Array, frame: Uint8Array): number {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const byte = (at: number): number | null => (at < frame.length ? (frame[at] as number) : null);
  let accumulator = 0;
  for (let pc = 0; pc * 8 < program.length; pc++) {
    const [code, value] = [view.getUint16(pc * 8, true), view.getUint32(pc * 8 + 4, true)];
    if (code === 0x06) return value;
    if (code === 0x15) {
      pc += accumulator === value ? view.getUint8(pc * 8 + 2) : view.getUint8(pc * 8 + 3);
      continue;
    }
    const size = { 0x30: 1, 0x28: 2, 0x20: 4 }[code];
    if (size === undefined) throw new Error(`unknown instruction ${code}`);
    accumulator = 0;
    for (let i = 0; i < size; i++) {
      const next = byte(value + i);
      // A load past the end ends the program: the frame is refused.
      if (next === null) return 0;
      accumulator = accumulator * 256 + next;
    }
  }
  throw new Error("the filter has no end");
}

describe("a frame", () => {
  test("of ARP says who claims what", () => {
    const heard = parsed(padded(arp({ source: A, ip: "10.0.0.1", asks: "10.0.0.9" })));
    expect(heard).toMatchObject({
      sourceMac: mac(A),
      claimedMac: mac(A),
      kind: "arp-request",
      family: 4,
      vlan: 0,
    });
    expect(ipText(4, heard?.ip ?? [])).toBe("10.0.0.1");
    expect(parsed(arp({ source: A, ip: "10.0.0.1", operation: 2, sender: B }))).toMatchObject({
      claimedMac: mac(B),
      kind: "arp-reply",
    });
  });

  test("of ARP that only probes claims no address", () => {
    expect(parsed(arp({ source: A, ip: "0.0.0.0", asks: "10.0.0.1" }))?.family).toBe(0);
  });

  test("of a neighbour says who claims what", () => {
    const heard = parsed(advertisement({ source: A, last: 7, target: B }));
    expect(heard).toMatchObject({ sourceMac: mac(A), claimedMac: mac(B), kind: "advertisement", family: 6 });
    expect(ipText(6, heard?.ip ?? [])).toBe("fe80:0:0:0:0:0:0:7");
  });

  test("in one or two VLAN tags is the same, with its VLAN", () => {
    expect(parsed(arp({ source: A, ip: "10.0.0.1", tags: [7] }))).toMatchObject({ vlan: 7, family: 4 });
    expect(parsed(advertisement({ source: A, last: 7, tags: [9, 12] }))).toMatchObject({
      vlan: 12,
      family: 6,
    });
    expect(parsed(arp({ source: A, ip: "10.0.0.1", tags: [7, 8, 9] }))).toBeNull();
  });

  test.each([
    ["another hardware", (bytes: Uint8Array) => (bytes[15] = 6)],
    ["another protocol", (bytes: Uint8Array) => (bytes[16] = 0x86)],
    ["another length of hardware addresses", (bytes: Uint8Array) => (bytes[18] = 8)],
    ["another length of protocol addresses", (bytes: Uint8Array) => (bytes[19] = 16)],
    ["an unknown operation", (bytes: Uint8Array) => (bytes[21] = 3)],
    ["a group's source address", (bytes: Uint8Array) => (bytes[6] = 3)],
    ["no source address", (bytes: Uint8Array) => bytes.fill(0, 6, 12)],
    ["a group's claimed address", (bytes: Uint8Array) => (bytes[22] = 0xff)],
  ])("of ARP with %s is none", (_, spoil) => {
    const frame = arp({ source: A, ip: "10.0.0.1" });
    expect(parsed(frame)).not.toBeNull();
    spoil(frame);
    expect(parsed(frame)).toBeNull();
  });

  test.each([
    ["that a router has passed on", (bytes: Uint8Array) => (bytes[21] = 254)],
    ["with an option of length 0", (bytes: Uint8Array) => (bytes[79] = 0)],
    ["with an option beyond its end", (bytes: Uint8Array) => (bytes[79] = 2)],
    ["with a payload too short", (bytes: Uint8Array) => (bytes[19] = 23)],
    ["of another code", (bytes: Uint8Array) => (bytes[55] = 1)],
    ["of IPv4", (bytes: Uint8Array) => (bytes[14] = 0x45)],
  ])("of a neighbour %s is none", (_, spoil) => {
    const frame = advertisement({ source: A, last: 7 });
    expect(parsed(frame)).not.toBeNull();
    spoil(frame);
    expect(parsed(frame)).toBeNull();
  });

  test("that is cut off anywhere is none", () => {
    for (const frame of [
      arp({ source: A, ip: "10.0.0.1", tags: [7] }),
      advertisement({ source: A, last: 7 }),
    ]) {
      for (let length = 0; length < frame.length; length++)
        expect(parsed(frame.subarray(0, length))).toBeNull();
      expect(parsed(frame)).not.toBeNull();
    }
  });

  test("has the same number with and without padding, and another when it says another thing", () => {
    const hash = (frame: Uint8Array): number => {
      const heard = emptyHeard();
      expect(parseFrame(frame, 0, frame.length, heard)).toBe(true);
      return messageHash(frame, 0, heard);
    };
    const frame = arp({ source: A, ip: "10.0.0.1" });
    expect(hash(padded(frame))).toBe(hash(frame));
    expect(hash(arp({ source: A, ip: "10.0.0.2" }))).not.toBe(hash(frame));
    expect(hash(advertisement({ source: A, last: 1 }))).not.toBe(hash(advertisement({ source: A, last: 2 })));
  });
});

describe("the kernel's filter", () => {
  const wanted = [
    arp({ source: A, ip: "10.0.0.1" }),
    arp({ source: A, ip: "10.0.0.1", tags: [5] }),
    advertisement({ source: A, last: 1 }),
    advertisement({ source: A, last: 1, tags: [5] }),
  ];

  test("lets through what tells of neighbours: own addresses by one, all others by the other", () => {
    for (const frame of wanted) {
      expect(runFilter(ownFilter([mac(B), mac(A)]), frame)).toBeGreaterThan(frame.length);
      expect(runFilter(othersFilter([mac(B), mac(A)]), frame)).toBe(0);
      expect(runFilter(ownFilter([mac(B)]), frame)).toBe(0);
      expect(runFilter(othersFilter([mac(B)]), frame)).toBeGreaterThan(frame.length);
    }
  });

  test("refuses everything else", () => {
    const filter = othersFilter([]);
    const web = advertisement({ source: A, last: 1 });
    web[20] = 6;
    const ping = advertisement({ source: A, last: 1, tags: [5] });
    ping[58] = 128;
    const ipv4 = arp({ source: A, ip: "10.0.0.1" });
    ipv4[12] = 8;
    ipv4[13] = 0;
    for (const frame of [web, ping, ipv4, new Uint8Array(0), new Uint8Array(13)])
      expect(runFilter(filter, frame)).toBe(0);
  });

  test("tells addresses apart that differ in one bit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 46 }), fc.integer({ min: 0, max: 46 }), (half, bit) => {
        const own = half * 4;
        const other = (BigInt(own) ^ (1n << BigInt(bit))).toString(16).padStart(12, "0");
        const source = (other.match(/../g) as string[]).join(":");
        const frame = arp({ source, ip: "10.0.0.1" });
        expect(runFilter(ownFilter([own]), frame)).toBe(0);
        expect(runFilter(ownFilter([own, parseMac(source) as number]), frame)).toBeGreaterThan(0);
      }),
      fuzzSettings(),
    );
  });
});

describe("addresses that move by design", () => {
  const moving = movingMacs(["02:aa:*"]);
  test.each([
    ["VRRP for IPv4, CARP", "00:00:5e:00:01:33"],
    ["VRRP for IPv6", "00:00:5e:00:02:01"],
    ["HSRP 1", "00:00:0c:07:ac:0a"],
    ["HSRP 2", "00:00:0c:9f:f0:0a"],
    ["HSRP for IPv6", "00:05:73:a0:00:0a"],
    ["GLBP", "00:07:b4:00:01:02"],
    ["the policy's own", "02:aa:00:00:00:01"],
  ])("are those of %s", (_, text) => {
    expect(moving(mac(text))).toBe(true);
    expect(macText(mac(text))).toBe(text);
  });

  test("are no others", () => {
    for (const text of ["00:00:5e:00:00:01", "00:00:5e:00:03:01", "00:00:0c:07:ad:00", "02:ab:00:00:00:01"])
      expect(moving(mac(text))).toBe(false);
  });
});
