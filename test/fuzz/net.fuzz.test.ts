import fc from "fast-check";
import { expect, test } from "vitest";
import { emptyHeard, messageHash, parseFrame } from "../../src/core/net/frames.ts";
import { connectedAddresses, defaultRouteInterfaces, kernelAddress } from "../../src/core/net/guarded.ts";
import { COUNTERS, InterfaceLines } from "../../src/core/net/interface-lines.ts";
import { FORGOTTEN, formatForgotten, parseForgotten, readForgotten } from "../../src/core/net/forgotten.ts";
import { parseLinkMessages } from "../../src/core/net/links.ts";
import { advertisement, arp } from "../support/frames.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const SOURCE = "02:00:00:00:00:0a";
const seeds = [
  arp({ source: SOURCE, ip: "10.0.0.1" }),
  arp({ source: SOURCE, ip: "10.0.0.1", tags: [3] }),
  arp({ source: SOURCE, ip: "10.0.0.1", tags: [3, 4] }),
  advertisement({ source: SOURCE, last: 9 }),
  advertisement({ source: SOURCE, last: 9, tags: [3] }),
];

/** A frame that is real but for some bytes, or cut off, or longer. */
const mutated = fc
  .tuple(
    fc.constantFrom(...seeds),
    fc.array(fc.tuple(fc.nat(140), fc.nat(255)), { maxLength: 6 }),
    fc.nat(140),
  )
  .map(([seed, changes, length]) => {
    const bytes = new Uint8Array(140);
    bytes.set(seed);
    for (const [at, value] of changes) bytes[at % 140] = value;
    return bytes.subarray(0, length);
  });

const isWhole = (value: number, below: number): boolean =>
  Number.isInteger(value) && value >= 0 && value < below;

test("no frame of 100,000 breaks the parser, reads past its end, or gives what is no address", () => {
  const heard = emptyHeard();
  let taken = 0;
  const check = (bytes: Uint8Array): void => {
    // What stands around it in the batch must not matter.
    const around = new Uint8Array(bytes.length + 64).fill(0x5a);
    around.set(bytes, 32);
    const first = parseFrame(around, 32, bytes.length, heard);
    const before = { ...heard, ip: [...heard.ip] };
    around.fill(0xa5, 0, 32).fill(0xa5, 32 + bytes.length);
    expect(parseFrame(around, 32, bytes.length, heard)).toBe(first);
    if (!first) return;
    taken++;
    expect({ ...heard, ip: [...heard.ip] }).toEqual(before);
    expect(isWhole(heard.sourceMac, 2 ** 48) && isWhole(heard.claimedMac, 2 ** 48)).toBe(true);
    expect(isWhole(heard.vlan, 4096)).toBe(true);
    expect(heard.messageBytes).toBeLessThanOrEqual(bytes.length);
    expect(Number.isInteger(messageHash(around, 32, heard))).toBe(true);
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 140 }), check), fuzzSettings(40_000));
  fc.assert(fc.property(mutated, check), fuzzSettings(60_000));
  // Otherwise all of that was about frames that are refused at once.
  expect(taken).toBeGreaterThan(1000);
}, 120_000);

test("no message of rtnetlink breaks its parser, nor makes it read past the end", () => {
  const header = (length: number, type: number): number[] =>
    [length & 255, length >> 8, 0, 0, type].concat(Array.from<number>({ length: 11 }).fill(0));
  const message = fc
    .tuple(fc.constantFrom(2, 3, 16, 17, 20, 24), fc.uint8Array({ maxLength: 120 }), fc.nat(150))
    .map(([type, body, length]) => Uint8Array.from([...header(length, type), ...body]));
  fc.assert(
    fc.property(fc.oneof(message, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      for (const found of parseLinkMessages(bytes, bytes.length)) {
        if (found.type !== "link") continue;
        expect(isWhole(found.link.mac, 2 ** 48)).toBe(true);
        expect(isWhole(found.link.vlan, 65_536)).toBe(true);
      }
      for (const found of parseForgotten(bytes, bytes.length, 0)) {
        if (found.type !== "addr" && found.type !== "route") continue;
        // What is kept is what is read again, also when the file is cut off in the next one.
        const file = formatForgotten(found.type, [found.message, found.message]);
        expect(readForgotten(found.type, file)).toEqual([found.message, found.message]);
        expect(readForgotten(found.type, file.subarray(0, -1))).toEqual([found.message]);
      }
      for (const type of FORGOTTEN) readForgotten(type, formatForgotten(type, [bytes]));
    }),
    fuzzSettings(5000),
  );
});

const NAME = fc.stringMatching(/^[a-z][a-z0-9_.@-]{0,13}$/);
const counters = fc.array(fc.nat(2 ** 31 - 1), { minLength: 16, maxLength: 16 });
const HEADING = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

test("lines of /proc/net/dev are read as they are, in any order, again and again", () => {
  const lines = new InterfaceLines();
  const table = fc.uniqueArray(fc.tuple(NAME, counters), { selector: ([name]) => name, maxLength: 40 });
  fc.assert(
    fc.property(table, (rows) => {
      const text =
        HEADING + rows.map(([name, values]) => `${name.padStart(6)}: ${values.join(" ")}\n`).join("");
      const bytes = encode(text);
      expect(lines.parse(bytes, bytes.length)).toBe(rows.length);
      for (const [i, [name, values]] of rows.entries()) {
        expect(lines.names[i]).toBe(name);
        const wanted = [0, 1, 2, 3, 8, 9, 10, 11].map((column) => values[column]);
        expect([...lines.values.subarray(i * COUNTERS, (i + 1) * COUNTERS)]).toEqual(wanted);
      }
      const changes = lines.changes;
      lines.parse(bytes, bytes.length);
      expect(lines.changes).toBe(changes);
    }),
    fuzzSettings(),
  );
});

/** dev_seq_printf_stats() of the kernel pads the columns to these. */
const WIDTHS = [7, 7, 4, 4, 4, 5, 10, 9, 8, 7, 4, 4, 4, 5, 7, 10];

test("lines as the kernel pads them, wide or not, over what an older look has left behind them", () => {
  const lines = new InterfaceLines();
  const wide = fc.oneof(fc.constant(0), fc.nat(99), fc.nat(2 ** 31 - 1), fc.maxSafeNat());
  const each = fc.tuple(NAME, fc.array(wide, { minLength: 16, maxLength: 16 }));
  const table = fc.uniqueArray(each, { selector: ([name]) => name, maxLength: 20 });
  const buffer = new Uint8Array(16_384);
  fc.assert(
    fc.property(table, fc.nat(400), (rows, cutBytes) => {
      const text = rows.map(([name, values]) => {
        const padded = values.map((value, i) => String(value).padStart(WIDTHS[i] as number));
        return `${name.padStart(6)}: ${padded.join(" ")}\n`;
      });
      const bytes = encode(HEADING + text.join(""));
      buffer.set(bytes);
      expect(lines.parse(buffer, bytes.length)).toBe(rows.length);
      for (const [i, [name, values]] of rows.entries()) {
        expect(lines.names[i]).toBe(name);
        const wanted = [0, 1, 2, 3, 8, 9, 10, 11].map((column) => values[column]);
        expect([...lines.values.subarray(i * COUNTERS, (i + 1) * COUNTERS)]).toEqual(wanted);
      }
      // Cut off, what is there has its own numbers, and nothing comes from behind the end.
      const count = lines.parse(buffer, Math.max(0, bytes.length - cutBytes));
      expect(count).toBeLessThanOrEqual(rows.length);
      const received = rows.slice(0, count).map(([, values]) => values[0]);
      expect(received.map((_, i) => lines.values[i * COUNTERS])).toEqual(received);
    }),
    fuzzSettings(600),
  );
});

test("what is no /proc/net/dev, or is cut off, gives numbers or nothing", () => {
  const whole = encode(`${HEADING}    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n`);
  const lines = new InterfaceLines();
  for (let length = 0; length <= whole.length; length++) {
    const count = lines.parse(whole, length);
    expect(count).toBeLessThanOrEqual(1);
    if (count === 1) expect([...lines.values.subarray(0, COUNTERS)]).toEqual([1, 2, 3, 4, 9, 10, 11, 12]);
  }
  expect(lines.parse(whole, whole.length)).toBe(1);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const count = lines.parse(bytes, bytes.length);
      for (let i = 0; i < count; i++) expect(lines.names[i]?.length).toBeLessThanOrEqual(15);
    }),
    fuzzSettings(2000),
  );
});

test("tables of routes and connections in any state break nothing", () => {
  const line = fc
    .array(fc.stringMatching(/^[0-9A-Fa-f:]{0,34}$/), { maxLength: 12 })
    .map((parts) => parts.join(" "));
  const text = fc.array(line, { maxLength: 6 }).map((lines) => lines.join("\n"));
  fc.assert(
    fc.property(text, (table) => {
      expect(defaultRouteInterfaces(table, table)).toBeInstanceOf(Set);
      expect(connectedAddresses(table, new Set([22]))).toBeInstanceOf(Set);
    }),
    fuzzSettings(1000),
  );
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      // Those with an IPv4 address at their end are not what Node gives.
      if (!address.includes(".")) expect(kernelAddress(address)).toMatch(/^[0-9A-F]{32}$/);
    }),
    fuzzSettings(),
  );
});
