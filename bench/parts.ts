import fs from "node:fs";
import { KeyedLines } from "../src/core/parse/keyed-lines.ts";
import { parsePressure } from "../src/core/parse/pressure.ts";
import { parseProcessStat, STAT_FIELDS } from "../src/core/parse/process-stat.ts";
import { createRing } from "../src/core/ring/views.ts";
import { RingWriter } from "../src/core/ring/writer.ts";
import { MEMORY_COLUMNS, MEMORY_ROWS_PER_SEGMENT, MEMORY_SEGMENTS } from "../src/core/samples.ts";
import type { ProcessRow, VictimQuestion } from "../src/core/victim/candidate.ts";
import { rankVictims } from "../src/core/victim/rank.ts";
import { cpuUsOf, type Effort, type Figure, type Finding, spreadOf } from "./figures.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const TICKS_PER_SECOND = 100;
const NOW_TICKS = 10_000_000;
const KIB_FIELDS = ["MemTotal:", "MemFree:", "MemAvailable:", "Cached:", "SwapTotal:", "SwapFree:"];
const VMSTAT_FIELDS = ["pswpin ", "pswpout ", "pgmajfault ", "oom_kill "];

/** One part of the work: what it is, how often it is done at a stretch, and the doing. Answers a number that is summed. */
interface Part {
  readonly name: string;
  readonly times: number;
  readonly act: () => number;
}

/** What the parts cost alone, without the kernel: parsing, writing the ring, ranking. */
export function benchParts({ smoke }: Effort): Finding {
  const parts = [...parsing(), ...ringing(), ranking(500, 50), ranking(5000, 5)];
  const rounds = smoke ? 3 : 40;
  let checksum = 0;
  const figures = parts.map((part): Figure => {
    const us: number[] = [];
    for (let round = -Math.ceil(rounds / 4); round < rounds; round++) {
      const took = cpuUsOf(() => {
        for (let i = 0; i < part.times; i++) checksum += part.act();
      });
      if (round >= 0) us.push(took / part.times);
    }
    const { median, lower, upper } = spreadOf(us);
    const note = `quartiles ${lower.toFixed(2)} to ${upper.toFixed(2)}, ${rounds} rounds of ${part.times}`;
    return {
      name: part.name,
      unit: "µs",
      ours: median,
      reference: null,
      against: null,
      ratio: null,
      target: null,
      note,
    };
  });
  return { bench: "parts", figures, evidence: [`checksum of all that was computed: ${checksum.toFixed(0)}`] };
}

function parsing(): Part[] {
  const meminfo = fs.readFileSync("/proc/meminfo");
  const vmstat = fs.readFileSync("/proc/vmstat");
  const stat = fs.readFileSync("/proc/self/stat");
  const pressure = Buffer.from(
    "some avg10=0.00 avg60=0.00 avg300=0.00 total=436988\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=429310\n",
  );
  const out = new Float64Array(32);
  const meminfoLines = new KeyedLines(KIB_FIELDS.map((key) => ({ key, scale: 1024 })));
  const vmstatLines = new KeyedLines(VMSTAT_FIELDS.map((key) => ({ key, scale: 1 })));
  return [
    {
      name: `parse meminfo, ${KIB_FIELDS.length} fields`,
      times: 20_000,
      act: () => meminfoLines.parse(meminfo, meminfo.length, out, 0),
    },
    {
      name: `parse vmstat, ${VMSTAT_FIELDS.length} fields`,
      times: 20_000,
      act: () => vmstatLines.parse(vmstat, vmstat.length, out, 0),
    },
    {
      name: "parse a pressure file",
      times: 20_000,
      act: () => {
        parsePressure(pressure, pressure.length, out, 0);
        return out[0] as number;
      },
    },
    {
      name: `parse a process's stat, ${STAT_FIELDS} fields`,
      times: 20_000,
      act: () => Number(parseProcessStat(stat, stat.length, out, 0)),
    },
  ];
}

function ringing(): Part[] {
  const writer = new RingWriter(
    createRing({
      columns: MEMORY_COLUMNS,
      rowsPerSegment: MEMORY_ROWS_PER_SEGMENT,
      segments: MEMORY_SEGMENTS,
    }),
  );
  const frame = Float64Array.from(MEMORY_COLUMNS, (_, i) => i * 1e9);
  const act = (): number => {
    writer.append(frame);
    return writer.rows;
  };
  return [{ name: `append a sample to the ring, ${MEMORY_COLUMNS.length} columns`, times: 20_000, act }];
}

function ranking(count: number, times: number): Part {
  const question = questionOf(count);
  return { name: `rank ${count} processes`, times, act: () => rankVictims(question).candidates.length };
}

/** A host of 16 GiB at its critical line: trees of ten, every size, a few that grow. */
function questionOf(count: number): VictimQuestion {
  return {
    processes: Array.from({ length: count }, (_, i) => processOf(i)),
    holders: {
      totalBytes: 16 * GIB,
      availableBytes: 0.5 * GIB,
      anonBytes: 14 * GIB,
      sharedBytes: 64 * MIB,
      hugePagesBytes: 0,
      kernelBytes: 512 * MIB,
      swapUsedBytes: 0,
    },
    shortfallBytes: 800 * MIB,
    nowTicks: NOW_TICKS,
    ticksPerSecond: TICKS_PER_SECOND,
    unit: "auto",
    minimumBytes: MIB,
    ownPid: 2,
    stuck: new Set(),
  };
}

function processOf(i: number): ProcessRow {
  const pid = i + 1;
  const leader = pid - (pid % 10) || 1;
  const bytes = ((i * 7919) % 997) * 64 * 1024;
  return {
    pid,
    startTicks: NOW_TICKS - ((i * 104_729) % NOW_TICKS),
    ppid: pid === 1 ? 0 : pid === leader ? 1 : leader,
    processGroup: leader,
    session: leader,
    uid: 1000,
    kernelThread: false,
    zombie: false,
    residentBytes: bytes,
    anonBytes: i < 64 ? bytes : null,
    swapBytes: i < 64 ? 0 : null,
    ownSharedBytes: null,
    oomScoreAdj: i < 64 ? 0 : null,
    cgroupId: null,
    cgroupAsOne: false,
    preference: 0,
    never: pid === 1,
    grownBytes: i % 50 === 0 ? bytes / 2 : 0,
    cpuTicks: 0,
    childTicks: 0,
  };
}
