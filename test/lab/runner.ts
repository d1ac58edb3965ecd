import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildHog, buildProgram } from "../programs/build.ts";
import { type GuardName, type GuardStart, startGuard } from "./guards.ts";
import type { Facts, Play, Program, Scenario, VmShape } from "./scenario.ts";
import { parseSignals } from "./trace.ts";
import { runVm } from "./vm.ts";

/** One play to be made: a scenario under a guard. */
export interface PlayOrder {
  readonly scenario: Scenario;
  readonly guard: GuardName;
  /** Apart from other plays of the same pair. */
  readonly id?: string;
  readonly toml?: string;
  readonly args?: readonly string[];
  /** The line, in percent of memory, whose crossings are to be timed, each ms. */
  readonly linePercent?: number;
}

/** The guard's start in an emulated VM, cold: Node and Python need seconds. */
const READY_MS = 30_000;
const BOOT_MS = 30_000;

/**
 * Plays all orders, as many as fit in one VM after another, and calls `done` for each play in their order of VM.
 * A play during which the VM dies is handed back without facts, and the rest goes on in a new VM.
 * Throws when the programs cannot be compiled.
 */
export async function playAll(
  orders: readonly PlayOrder[],
  folder: string,
  done: (order: PlayOrder, play: Play) => void,
): Promise<void> {
  const programs = buildPrograms();
  for (const batch of batches(orders)) {
    const plans = batch.map((order) => writePlan(order, folder, programs));
    for (let at = 0; at < batch.length; ) {
      await runPlans(batch[at]?.scenario.vm, plans.slice(at), batch.slice(at), folder, programs);
      const first = at;
      while (at < batch.length && existsSync(`${plans[at]}.programs.log`)) at += 1;
      if (at < batch.length) at += 1;
      batch.slice(first, at).forEach((order, i) => done(order, readPlay(order, plans[first + i] ?? "")));
    }
  }
}

interface Programs {
  readonly hog: string;
  readonly play: string;
}

function buildPrograms(): Programs {
  const hog = buildHog();
  const guest = ["play.c", "watch.c", "watch.h"].map((file) => `test/lab/guest/${file}`);
  const play = buildProgram("play", guest);
  if (hog.path === undefined) throw new Error(hog.reason);
  if (play.path === undefined) throw new Error(play.reason);
  return { hog: hog.path, play: play.path };
}

/** Orders of the same VM together: a boot takes longer than many a play. */
function batches(orders: readonly PlayOrder[]): PlayOrder[][] {
  const byShape = new Map<string, PlayOrder[]>();
  for (const order of orders) {
    const shape = JSON.stringify(order.scenario.vm);
    byShape.set(shape, [...(byShape.get(shape) ?? []), order]);
  }
  return [...byShape.values()];
}

async function runPlans(
  shape: VmShape | undefined,
  plans: readonly string[],
  orders: readonly PlayOrder[],
  folder: string,
  programs: Programs,
): Promise<void> {
  if (shape === undefined) return;
  // A guard whose code is cold would be measured reading it from the host: each is run once before.
  const guards = new Map(
    orders.map((order) => [order.guard, startGuard(order.guard, order.scenario, folder)]),
  );
  const warm = [...guards].map(([name, start]) => warmUp(name, start)).join("");
  // The shell between the plays is nobody's victim; play gives what it starts the usual score back.
  const script = `echo -1000 >/proc/self/oom_score_adj; ${warm}${touchAll(shape, programs.hog)}for plan in ${plans.map(quote).join(" ")}; do ${quote(programs.play)} "$plan.plan"; done`;
  const timeoutMs = BOOT_MS + orders.reduce((sum, order) => sum + READY_MS + order.scenario.lastMs, 0);
  const kernelLog = `${plans[0]}.kernel.log`;
  const ran = await runVm({ shape, share: folder, timeoutMs, kernelLog }, ["/bin/sh", "-c", script]);
  writeFileSync(`${plans[0]}.vm.log`, `status ${ran.status}\n${ran.output}`);
}

/** The host gives the VM its memory when that is touched first, which would slow the first scenario alone. */
function touchAll(shape: VmShape, hog: string): string {
  return `${quote(hog)} grow --from ${shape.memory === "1G" ? 800 : 360} --hold 0 >/dev/null; `;
}

function warmUp(guard: GuardName, start: GuardStart | null): string {
  if (start === null || guard === "earlyoom") return "";
  const [program = "", script = ""] = start.argv;
  return `${quote(program)} ${quote(script)} --help >/dev/null 2>&1; `;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Writes the plan (its form: play.c), and answers its path without `.plan`. */
function writePlan(order: PlayOrder, folder: string, programs: Programs): string {
  const { scenario, guard } = order;
  const id = [scenario.name, guard, order.id].filter((part) => part !== undefined).join(".");
  const path = join(folder, id);
  mkdirSync(folder, { recursive: true });
  rmSync(`${path}.programs.log`, { force: true }); // the last that a play writes: whether it was played to its end
  const settings = {
    ...(order.toml === undefined ? {} : { toml: order.toml }),
    ...(order.args === undefined ? {} : { args: order.args }),
  };
  const start = startGuard(guard, scenario, join(folder, `${id}.files`), settings);
  const lines = [
    ["result", path],
    ["program", programs.hog],
    ...(start === null
      ? []
      : [
          ["guard", ...start.argv],
          ["ready", start.ready],
        ]),
    ...stageLines(scenario),
    ...scenario.programs.map(startLine),
    ["last", String(scenario.lastMs)],
    ["line", String(order.linePercent ?? 0)],
  ];
  writeFileSync(`${path}.plan`, lines.map((fields) => `${fields.join("\t")}\n`).join(""));
  return path;
}

function stageLines(scenario: Scenario): string[][] {
  const lines: string[][] = [];
  const { guardParent, tmpfs, cgroup, victim } = scenario;
  if (guardParent !== undefined) lines.push(["parent", guardParent.name, ...guardParent.args]);
  if (tmpfs !== undefined) lines.push(["tmpfs", tmpfs]);
  if (cgroup !== undefined) lines.push(["cgroup", cgroup.path, cgroup.file, cgroup.value]);
  if (scenario.graceMs !== undefined) lines.push(["grace", String(scenario.graceMs)]);
  if (victim !== null) lines.push(["until", victim.name, victim.which]);
  return lines;
}

function startLine(program: Program): string[] {
  const adj = String(program.oomScoreAdj ?? 0);
  return ["start", String(program.at), adj, program.cgroup ?? "-", program.name, ...program.args];
}

function readPlay(order: PlayOrder, path: string): Play {
  const text = (suffix: string): string => {
    const file = `${path}.${suffix}`;
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  };
  const whole = existsSync(`${path}.programs.log`);
  return {
    scenario: order.scenario.name,
    guard: order.guard,
    facts: whole ? (JSON.parse(text("json")) as Facts) : null,
    signals: parseSignals(text("trace")),
    guardLog: text("guard.log"),
    programsLog: text("programs.log"),
  };
}
