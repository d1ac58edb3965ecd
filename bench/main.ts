/**
 * npm run bench: every figure beside the same work in C, in one run. Prints a table, writes bench/results/bench.json.
 * Exit 0: measured, also when a figure misses its target, which it says; 1: failed, 2: usage.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
// First of all, and on this thread: workers that load it before the main thread does take the process down.
import "../src/native/libc.ts";
import { projectRoot } from "../test/programs/build.ts";
import { benchAppSampling } from "./app-sampling.ts";
import { benchAppSignal } from "./app-signal.ts";
import { benchCgroupSweep } from "./cgroup-sweep.ts";
import { benchCalibrate } from "./calibrate.ts";
import { benchCpuChoose } from "./cpu-choose.ts";
import { benchCpuSampler } from "./cpu-sampler.ts";
import { benchCrossing } from "./crossing.ts";
import { benchDiskReclaim } from "./disk-reclaim.ts";
import { writeDocument } from "./document.ts";
import { benchDuplicateMac } from "./duplicate-mac.ts";
import type { Effort, Finding } from "./figures.ts";
import { benchHostSample } from "./host-sample.ts";
import { benchIdle, benchIdleAll } from "./idle.ts";
import { benchInterfaceSampler } from "./interface-sampler.ts";
import { benchIoSampler } from "./io-sampler.ts";
import { benchParts } from "./parts.ts";
import { benchProcessWalk } from "./process-walk.ts";
import { benchRecording } from "./recording.ts";
import { benchReport } from "./report.ts";
import { benchReportRecording } from "./report-recording.ts";
import { benchRescue, benchRescueAhead } from "./rescue.ts";
import { benchSpaceSampler } from "./space-sampler.ts";
import { figureTable } from "./table.ts";

const BENCHES: Readonly<Record<string, (effort: Effort) => Finding | Promise<Finding>>> = {
  sample: benchHostSample,
  walk: benchProcessWalk,
  cgroups: benchCgroupSweep,
  crossing: benchCrossing,
  app: benchAppSampling,
  "app-signal": benchAppSignal,
  rescue: benchRescue,
  ahead: benchRescueAhead,
  recording: benchRecording,
  idle: benchIdle,
  "idle-all": benchIdleAll,
  cpu: benchCpuSampler,
  "cpu-choose": benchCpuChoose,
  space: benchSpaceSampler,
  reclaim: benchDiskReclaim,
  io: benchIoSampler,
  interfaces: benchInterfaceSampler,
  "duplicate-mac": benchDuplicateMac,
  parts: benchParts,
  calibrate: benchCalibrate,
  report: benchReportRecording,
  "report-page": benchReport,
};

const HELP = `usage: npm run bench -- [--smoke] [--only NAME,...] [--json FILE] [--write]
  --smoke   few rounds: shows that everything runs, the figures mean nothing
  --only    of ${Object.keys(BENCHES).join(", ")} (default: all)
  --json    where the figures go (bench/results/bench.json; of a part, or with --smoke, bench/results/local/bench.json)
  --write   write docs/benchmarks.md anew, from the results; with --only, those parts are renewed in them
example: npm run bench -- --only sample,walk`;

interface Options {
  readonly smoke: boolean;
  readonly names: readonly string[];
  readonly json: string;
  readonly write: boolean;
}

/** @throws Error that says what was expected */
function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      smoke: { type: "boolean", default: false },
      only: { type: "string" },
      json: { type: "string" },
      write: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const names = values.only?.split(",") ?? Object.keys(BENCHES);
  const unknown = names.filter((name) => BENCHES[name] === undefined);
  if (unknown.length > 0) {
    throw new Error(
      `--only: expected some of ${Object.keys(BENCHES).join(", ")}, found ${unknown.join(", ")}`,
    );
  }
  const whole = !values.smoke && (values.only === undefined || values.write);
  const standard = join(projectRoot, "bench/results", whole ? "bench.json" : "local/bench.json");
  return { smoke: values.smoke, names, json: values.json ?? standard, write: values.write };
}

function machine(): Record<string, unknown> {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cpus: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    loadAtStart: loadavg()[0],
  };
}

/** Earlier results with some of their findings replaced: a part that was measured again, to be written with the rest. */
function renew(json: string, findings: readonly Finding[]): Record<string, unknown> {
  const earlier = JSON.parse(readFileSync(json, "utf8")) as { findings: Finding[]; notes?: string[] };
  const names = findings.map(({ bench }) => bench);
  const all = [...earlier.findings.filter((each) => !names.includes(each.bench)), ...findings];
  const order = Object.keys(BENCHES);
  const renewed = all.toSorted((a, b) => order.indexOf(a.bench) - order.indexOf(b.bench));
  const note = `Measured again at ${new Date().toISOString()}, after the rest: ${names.join(", ")}.`;
  return { ...earlier, findings: renewed, notes: [...(earlier.notes ?? []), note] };
}

async function main({ smoke, names, json, write }: Options): Promise<void> {
  const at = new Date().toISOString();
  const facts = machine();
  const findings: Finding[] = [];
  for (const name of names) {
    const bench = BENCHES[name] as (typeof BENCHES)[string];
    const finding = await bench({ smoke });
    findings.push(finding);
    console.log(`\n${name}\n${figureTable(finding.figures)}`);
    for (const line of finding.evidence) console.log(`  ${line}`);
  }
  mkdirSync(dirname(json), { recursive: true });
  const whole = write && names.length < Object.keys(BENCHES).length ? renew(json, findings) : null;
  writeFileSync(json, `${JSON.stringify(whole ?? { at, smoke, machine: facts, findings }, null, 2)}\n`);
  console.log(`\nfigures: ${json}`);
  if (write) console.log(`written: ${writeDocument()}`);
}

let options: Options;
try {
  options = readOptions();
} catch (error) {
  console.error(`${(error as Error).message}\n${HELP}`);
  process.exit(2);
}
try {
  await main(options);
} catch (error) {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exitCode = 1;
}
