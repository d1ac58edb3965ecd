/**
 * npm run bench:lab: every scenario under every guard, the comparison with earlyoom, the exhaustion figures, and
 * rescues on cgroup v2, in throw-away VMs. Prints tables, writes bench/results/lab.json. Exit 0: measured, 1: failed, 2: usage, 4: no VM here.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { GUARD_NAMES, type GuardName, missingGuard } from "../test/lab/guards.ts";
import { labObstacle } from "../test/lab/vm.ts";
import { projectRoot } from "../test/programs/build.ts";
import { measureApp } from "./lab/app.ts";
import { measureCrossing } from "./lab/crossing.ts";
import { measureExhaustion } from "./lab/exhaustion.ts";
import { measureJudgement } from "./lab/judgement.ts";
import { measureRescue } from "./lab/rescue.ts";

const HELP = `usage: npm run bench:lab -- [--smoke] [--only NAME,...] [--guards NAME,...] [--json FILE] [--keep DIR]
  --smoke    one scenario under each guard, nothing else
  --only     these scenarios, or exhaustion, crossing, rescue, app (default: all)
  --guards   of ${GUARD_NAMES.join(", ")} (default: all)
  --json     where the figures go (bench/results/lab.json)
  --keep     where logs, traces and records go (a temporary folder)
example: npm run bench:lab -- --only fast-hog,thrash --guards earlyoom,plimsoll`;

interface Options {
  readonly only: readonly string[] | null;
  readonly guards: readonly GuardName[];
  readonly json: string;
  readonly folder: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      smoke: { type: "boolean" },
      only: { type: "string" },
      guards: { type: "string" },
      json: { type: "string" },
      keep: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    console.log(HELP);
    process.exit(0);
  }
  const asked = values.guards?.split(",") ?? GUARD_NAMES;
  const guards = GUARD_NAMES.filter((name) => asked.includes(name));
  if (guards.length !== asked.length)
    throw new Error(`--guards: of ${GUARD_NAMES.join(", ")}, not ${values.guards}`);
  const folder = values.keep ?? mkdtempSync(join(tmpdir(), "plimsoll-lab-"));
  mkdirSync(folder, { recursive: true });
  const whole = values.smoke !== true && values.only === undefined && values.guards === undefined;
  const standard = join(projectRoot, "bench/results", whole ? "lab.json" : "local/lab.json");
  const only = values.smoke === true ? ["fast-hog"] : (values.only?.split(",") ?? null);
  return { only, guards, json: values.json ?? standard, folder };
}

async function main(options: Options): Promise<number> {
  const why = labObstacle() ?? options.guards.map(missingGuard).find((missing) => missing !== null);
  if (why !== undefined && why !== null) {
    console.error(`bench:lab cannot measure here: ${why}`);
    return 4;
  }
  const started = Date.now();
  const wants = (name: string): boolean => options.only === null || options.only.includes(name);
  const judgement = await measureJudgement(wants, options.guards, options.folder);
  const crossing = wants("crossing") ? await measureCrossing(options.guards, options.folder) : [];
  const exhaustion = wants("exhaustion") ? await measureExhaustion(options.guards, options.folder) : [];
  const rescue = wants("rescue") ? await measureRescue(options.folder) : null;
  const app = wants("app") ? await measureApp(options.folder) : null;
  const figures = {
    at: new Date(started).toISOString(),
    host: { cpus: cpus().length, cpu: cpus()[0]?.model ?? "unknown", node: process.version },
    seconds: Math.round((Date.now() - started) / 1000),
    judgement,
    crossing,
    exhaustion,
    rescue,
    app,
  };
  mkdirSync(dirname(options.json), { recursive: true });
  writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
  console.log(`\nfigures: ${options.json}\nlogs:    ${options.folder}\ntook     ${figures.seconds} s`);
  return 0;
}

try {
  process.exitCode = await main(readOptions());
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
