import type { ChartLine, Report, ReportMark, ReportSeries, StatisticsRow } from "../src/core/report/model.ts";
import { statisticsOf } from "../src/core/report/statistics.ts";
import { thin } from "../src/core/report/thin.ts";

/** A made-up day of a host, as a report: growth, a dump, a signal, a rescue, a gap over midnight. The same each time. */

export interface DayShape {
  readonly groups: number;
  readonly samplesEach: number;
  /** Into so many spans the time is cut for drawing. */
  readonly buckets: number;
}

export const FULL_DAY: DayShape = { groups: 25, samplesEach: 86_400, buckets: 720 };

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const DAY_MS = 86_400_000;
/** 2026-11-19 14:00 in Stockholm: midnight is in the middle. */
export const DAY_BEGIN_MS = Date.UTC(2026, 10, 19, 13);
/** No samples between these shares of the day: over midnight. */
const GAP = { from: 0.41, to: 0.43 };
/** The first group grows until here, gets SIGUSR1, and starts anew. */
const SIGNAL_AT = 0.78;
const COMMIT_LIMIT = 64 * GIB;

/** A generator of numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Measured {
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
}

function measure(
  shape: DayShape,
  seed: number,
  at: (share: number, random: () => number) => number,
): Measured {
  const random = randomOf(seed);
  const timesMs = new Float64Array(shape.samplesEach);
  const values = new Float64Array(shape.samplesEach);
  for (let i = 0; i < shape.samplesEach; i++) {
    const share = i / Math.max(1, shape.samplesEach - 1);
    timesMs[i] = DAY_BEGIN_MS + share * DAY_MS;
    values[i] = share > GAP.from && share < GAP.to ? Number.NaN : Math.round(at(share, random));
  }
  return { timesMs, values };
}

/** Group 0 grows from 6 GiB to 40 and is ended; the others breathe with the day. */
function allocatedAt(group: number): (share: number, random: () => number) => number {
  const base = (0.3 + (group % 7) * 0.22) * GIB;
  if (group > 0) {
    return (share, random) =>
      base * (1 + 0.35 * Math.sin(share * 6.28 + group) + 0.12 * Math.sin(share * 90 + group * 3)) +
      random() * 40 * MIB +
      (random() > 0.9999 ? base : 0);
  }
  return (share, random) => {
    const grown = share < SIGNAL_AT ? (share / SIGNAL_AT) ** 3 : Math.max(0, (share - SIGNAL_AT) * 0.4);
    return 6 * GIB + grown * 34 * GIB + random() * 300 * MIB;
  };
}

const NAMES = ["ncs-smp", "NcsJVMLauncher", "python"];

export function groupName(group: number): string {
  return NAMES[group] ?? `python-vm-${group - NAMES.length + 1}`;
}

/** The report of a made-up day. @param names of groups, when they are to be others, such as ones made to break out of HTML */
export function reportOfDay(shape: DayShape, names: (group: number) => string = groupName): Report {
  const statistics: StatisticsRow[] = [];
  const series: ReportSeries[] = [];
  const add = (id: string, name: string, group: string | null, measured: Measured): void => {
    const { timesMs, values } = measured;
    statistics.push({ name, group, unit: "bytes", ...statisticsOf(timesMs, values) });
    series.push({
      id,
      name,
      group,
      unit: "bytes",
      ...thin(measured, shape.buckets),
      sampleCount: shape.samplesEach,
    });
  };
  const sum = new Float64Array(shape.samplesEach).fill(3 * GIB);
  let timesMs: Float64Array = new Float64Array(0);
  for (let group = 0; group < shape.groups; group++) {
    const name = names(group);
    const allocated = measure(shape, group + 1, allocatedAt(group));
    const resident = measure(shape, group + 101, (share, random) => allocatedAt(group)(share, random) * 0.72);
    timesMs = allocated.timesMs;
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (allocated.values[i] as number);
    add(`a${group}`, `${name} allocated`, name, allocated);
    add(`r${group}`, `${name} resident`, name, resident);
  }
  add("committed", "all allocated (Committed_AS)", null, { timesMs, values: sum });
  series.push(constant("limit", "CommitLimit", COMMIT_LIMIT));
  const pressure = measure(
    shape,
    999,
    (share, random) => 1e5 * random() * 0.02 * (Math.abs(share - SIGNAL_AT) < 0.03 ? 30 : 1),
  );
  const shares = { timesMs: pressure.timesMs, values: pressure.values.map((value) => value / 1e5) };
  series.push({
    id: "psi",
    name: "some",
    group: null,
    unit: "share",
    ...thin(shares, shape.buckets),
    sampleCount: shape.samplesEach,
  });
  series.push(...rescued(shape));
  const indices = Array.from({ length: shape.groups }, (_, group) => group);
  return {
    ...HEAD,
    sampleCount: shape.samplesEach * shape.groups,
    series,
    statistics,
    marks: MARKS,
    sections: sections(indices, names),
  };
}

const HEAD = {
  title: "Memory of nso-lab-1, 19 to 20 November 2026",
  host: "nso-lab-1.example.net",
  zone: "Europe/Stockholm",
  span: { fromMs: DAY_BEGIN_MS, toMs: DAY_BEGIN_MS + DAY_MS },
  writtenMs: DAY_BEGIN_MS + DAY_MS + 60_000,
  version: "0.1.0",
  facts: [
    { name: "Kernel", value: "6.18.5" },
    { name: "Memory", value: "62.8 GiB" },
    { name: "vm.overcommit_memory", value: "2" },
  ],
  notes: [
    { weight: "warning", text: "Between 23:50 and 00:19 nothing was sampled: the lines are broken there." },
    {
      weight: "note",
      text: "The wall clock was put forward by 2.1 s at 03:10; times follow the clock that never jumps.",
    },
  ],
  advice: [
    {
      title: "CommitLimit of 71.5 GiB",
      text: "The most that was allocated at once is 62.2 GiB. With a margin of 15 % CommitLimit should be 71.5 GiB. Swap of 8.00 GiB and huge pages of 2.00 GiB are taken into account.",
      figures: [
        { name: "highest Committed_AS", value: "62.2 GiB" },
        { name: "margin", value: "15 %" },
        { name: "vm.overcommit_ratio", value: "105" },
      ],
      command: "sysctl -w vm.overcommit_memory=2 vm.overcommit_ratio=105",
    },
  ],
} as const satisfies Partial<Report>;

function constant(id: string, name: string, value: number): ReportSeries {
  const timesMs = Float64Array.of(DAY_BEGIN_MS, DAY_BEGIN_MS + DAY_MS);
  return {
    id,
    name,
    group: null,
    unit: "bytes",
    timesMs,
    values: Float64Array.of(value, value),
    sampleCount: 2,
  };
}

/** A cgroup whose limit is moved up when it stands at it, and down again. */
function rescued(shape: DayShape): ReportSeries[] {
  const usage = measure(
    shape,
    77,
    (share, random) => (380 + 240 * Math.max(0, 1 - Math.abs(share - 0.6) * 8)) * MIB + random() * 9 * MIB,
  );
  const at = (share: number): number => DAY_BEGIN_MS + share * DAY_MS;
  const limit = {
    timesMs: Float64Array.of(at(0), at(0.57), at(0.59), at(0.66), at(1)),
    values: Float64Array.of(512 * MIB, 576 * MIB, 640 * MIB, 512 * MIB, 512 * MIB),
  };
  const common = { group: "/system.slice/db.service", unit: "bytes" as const };
  return [
    { ...common, id: "cg", name: "usage", ...thin(usage, shape.buckets), sampleCount: shape.samplesEach },
    { ...common, id: "cg-limit", name: "limit", ...limit, sampleCount: 5 },
  ];
}

function mark(
  id: string,
  share: number,
  kind: ReportMark["kind"],
  text: string,
  reason: string | null,
  subject = "nso",
): ReportMark {
  return { id, timeMs: DAY_BEGIN_MS + share * DAY_MS, kind, text, reason, subject };
}

const MARKS: readonly ReportMark[] = [
  mark("gap", GAP.from, "note", "sampling stopped", "the guard was restarted", "host"),
  mark(
    "r1",
    0.57,
    "rescue",
    "limit 512 MiB -> 576 MiB",
    "it stood at its limit; 64 MiB from the host's headroom",
    "/system.slice/db.service",
  ),
  mark(
    "r2",
    0.59,
    "rescue",
    "limit 576 MiB -> 640 MiB",
    "it stood at its limit; 64 MiB from the host's headroom",
    "/system.slice/db.service",
  ),
  mark(
    "w",
    0.745,
    "level",
    "warning began: allocated",
    "57.9 GiB allocated are 90.5 % of CommitLimit 64.0 GiB",
  ),
  mark("d1", 0.7455, "dump", "debug dump 1 of 3 taken", "rung 1 of the ladder for warning"),
  mark("d2", 0.746, "dump", "debug dump 2 of 3 taken", "rung 1 of the ladder for warning"),
  mark("d3", 0.7465, "dump", "debug dump 3 of 3 taken", "rung 1 of the ladder for warning"),
  mark(
    "c",
    0.772,
    "level",
    "critical began: allocated",
    "60.9 GiB allocated are 95.1 % of CommitLimit 64.0 GiB",
  ),
  mark(
    "s",
    SIGNAL_AT,
    "signal",
    "SIGUSR1 sent to 4711 (beam.smp)",
    "critical: so that it writes its crash dump before the OOM killer comes",
  ),
  mark(
    "e",
    0.784,
    "level",
    "critical and warning ended",
    "30.2 GiB allocated are 47.2 % of CommitLimit 64.0 GiB",
  ),
];

const line = (series: string, name: string | null, role: ChartLine["role"] = "value"): ChartLine => ({
  series,
  name,
  role,
});
const OF_APPLICATION = ["w", "d1", "d2", "d3", "c", "s", "e"];

function sections(indices: readonly number[], names: (group: number) => string): Report["sections"] {
  const chart = (
    id: string,
    title: string,
    about: string,
    lines: readonly ChartLine[],
    marks: readonly string[],
  ) => ({
    id,
    title,
    about,
    unit: id === "pressure" ? ("share" as const) : ("bytes" as const),
    lines,
    marks,
  });
  const limit = line("limit", "CommitLimit", "limit");
  const total = line("committed", "all allocated (Committed_AS)", "total");
  return [
    {
      id: "groups",
      title: "Process groups",
      about:
        "Of each group the private writable memory (allocated) and what of it is in RAM (resident), beside what the host has allocated in all.",
      charts: indices.map((group) =>
        chart(
          `group-${group}`,
          names(group),
          "Private writable mappings, resident size, and the host's total.",
          [line(`a${group}`, "allocated"), line(`r${group}`, "resident"), total, limit],
          OF_APPLICATION,
        ),
      ),
    },
    {
      id: "comparison",
      title: "Comparison",
      about: "The groups beside each other.",
      charts: [
        chart(
          "compare-allocated",
          "Allocated, with total",
          "Private writable mappings of each group.",
          [...indices.map((group) => line(`a${group}`, names(group))), total, limit],
          OF_APPLICATION,
        ),
        chart(
          "compare-resident",
          "Resident",
          "What of each group is in RAM.",
          indices.map((group) => line(`r${group}`, names(group))),
          [],
        ),
      ],
    },
    {
      id: "host",
      title: "Host",
      about: "",
      charts: [
        chart(
          "pressure",
          "Memory pressure",
          "Share of the time in which some task waited for memory (PSI some).",
          [line("psi", "some")],
          ["s"],
        ),
        chart("swap", "Swap", "Swap in use: there is none on this host.", [], []),
      ],
    },
    {
      id: "cgroups",
      title: "Control groups",
      about: "Use and limit of each; a rescue moves the limit.",
      charts: [
        chart(
          "cgroup-db",
          "/system.slice/db.service",
          "memory.usage_in_bytes and its limit.",
          [line("cg", "usage"), line("cg-limit", "limit", "limit")],
          ["r1", "r2"],
        ),
      ],
    },
  ];
}
