/** The table of `plimsoll status`: every resource in a line that fits a terminal. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { RESOURCES } from "../../src/core/resources/resource.ts";
import type { GuardStatus } from "../../src/main/coordinator/status.ts";
import {
  memoryRow,
  type ResourceRow,
  resourceTable,
  statusTable,
} from "../../src/main/cli/resource-table.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const NOW_MS = Date.UTC(2026, 10, 20, 9, 0, 0);
const GiB = 2 ** 30;

const STATUS = {
  scope: "host",
  memory: {
    level: "none",
    availableBytes: 3 * GiB,
    totalBytes: 8 * GiB,
    stallShare: 0.015,
    fillBytesPerSecond: 1.5 * 2 ** 20,
    swapFreeBytes: null,
    timeToExhaustionMs: 754_321,
  },
  lastAction: { outcome: "ended" },
  lastActionAt: new Date(NOW_MS - 3_723_000).toISOString(),
} as unknown as GuardStatus;

const DISK: ResourceRow = {
  resource: "disk",
  subject: "/srv/containers/a-very-long-name-of-one/var",
  level: "critical",
  numbers: { availableBytes: 31 * 2 ** 20, freeInodes: 6200, fillBytesPerSecond: 10 * 2 ** 20 },
  timeToExhaustionMs: 3200,
  lastAction: { verb: "reclaim", target: "12 files", outcome: "done", wallMs: NOW_MS - 2400 },
};

const CPU: ResourceRow = {
  resource: "cpu",
  subject: "host",
  level: "none",
  numbers: { busyShare: 0.12, someStallShare: null, running: 3 },
  timeToExhaustionMs: null,
  lastAction: null,
};

test("shows subject, level, figures, rate, time left and the last action of each", () => {
  expect(resourceTable([memoryRow(STATUS), CPU, { ...DISK, subject: "/var" }], NOW_MS)).toBe(
    `resource  subject  level     figures               rate        left  last action
memory    host     none      available 3.00 GiB    1.50 MiB/s  13m   1h2m ago: end ended
cpu       host     none      busy 12 %, running 3  -           -     -
disk      /var     critical  available 31.0 MiB    10.0 MiB/s  3s    2s ago: reclaim done 12 files
`,
  );
});

test("where there is room, there are more figures", () => {
  const lines = resourceTable([memoryRow({ ...STATUS, lastAction: null }), CPU], NOW_MS).split("\n");
  expect(lines[1]).toMatch(/ available 3\.00 GiB, stall 1\.5 % +1\.50 MiB\/s +13m +-$/);
});

test("a resource of which there is nothing to tell has a line that says why", () => {
  const lines = statusTable([memoryRow(STATUS), CPU], ["memory", "cpu", "vm"], NOW_MS).split("\n");
  expect(lines.slice(3)).toEqual([
    expect.stringMatching(/^disk +- +- +not guarded +- +- +-$/),
    expect.stringMatching(/^io +- +- +not guarded +- +- +-$/),
    expect.stringMatching(/^net +- +- +not guarded +- +- +-$/),
    expect.stringMatching(/^vm +- +- +nothing seen +- +- +-$/),
    expect.stringMatching(/^app +- +- +not guarded +- +- +-$/),
    "",
  ]);
});

test("of a name that is too long the end is shown, which tells it from others", () => {
  const [, line] = resourceTable([DISK], NOW_MS).split("\n");
  expect(line).toMatch(/^disk {6}…\S+-of-one\/var {2}critical {2}available 31\.0 MiB {2}10\.0 MiB\/s/);
});

test("memory that was never acted on, and of which nothing is known yet", () => {
  const memory = Object.fromEntries(Object.keys(STATUS.memory).map((key) => [key, null]));
  const blank = { ...STATUS, memory: { ...memory, level: "none" }, lastAction: null, lastActionAt: null };
  const [, line] = resourceTable([memoryRow(blank as unknown as GuardStatus)], NOW_MS).split("\n");
  expect(line).toMatch(/^memory +host +none +- +- +- +-$/);
});

test("whatever is in it, lines fit 100 columns and hold no orders for the terminal", () => {
  const text = fc.string({ unit: "binary", maxLength: 60 });
  const rows = fc.record({
    resource: fc.constantFrom("memory" as const, ...RESOURCES),
    subject: text,
    level: fc.constantFrom("none" as const, "warning" as const, "critical" as const),
    numbers: fc.dictionary(
      fc.constantFrom("availableBytes", "busyShare", "aPerSecond", "waitUs", "count"),
      fc.option(fc.double()),
    ),
    timeToExhaustionMs: fc.option(fc.double({ min: 0, noNaN: true })),
    lastAction: fc.option(
      fc.record({
        verb: text,
        target: fc.option(text),
        outcome: fc.constantFrom("done" as const, "failed" as const),
        wallMs: fc.integer({ min: 0, max: 4e12 }),
      }),
    ),
  });
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 6 }), (each) => {
      const lines = resourceTable(each, NOW_MS).split("\n");
      expect(lines.length).toBe(each.length + 2);
      for (const line of lines) {
        expect(line.length).toBeLessThan(100);
        // oxlint-disable-next-line no-control-regex
        expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
      }
    }),
    fuzzSettings(),
  );
});
