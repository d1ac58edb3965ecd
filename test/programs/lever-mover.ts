/**
 * A guard that does nothing but impose and undo, as fast as it can, journaled and watched by a guardian:
 * lever-mover --home DIRECTORY --seed N --device MAJOR:MINOR -- PID:START... It gives its own cgroups' files other values
 * (all directories below --cgroups, by what files they have), renices, stops and continues the processes. Tells its
 * guardian's pid, then that it is moving, as JSON lines.
 */
import fs from "node:fs";
import path from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import { parseArgs } from "node:util";
// First of all: see src/native/libc.ts.
import "../../src/native/libc.ts";
import { isPerDevice, LEVER_FILES, type Lever, type LeverFile } from "../../src/core/levers/lever.ts";
import { GuardianProcess } from "../../src/main/guardian/guardian.ts";
import { leversDuty } from "../../src/main/guardian/levers.ts";
import { HOST_ROOTS } from "../../src/workers/common/roots.ts";
import { Levers } from "../../src/workers/lane/levers.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    home: { type: "string", default: "" },
    seed: { type: "string", default: "1" },
    cgroup: { type: "string", multiple: true, default: [] },
    device: { type: "string", default: "1:0" },
  },
});

/** xorshift: what is moved is the same for the same seed. */
let state = Number(values.seed) | 1;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

function valueOf(file: LeverFile): string {
  if (file === "freezer.state") return random(2) === 0 ? "FROZEN" : "THAWED";
  if (file === "cgroup.freeze") return String(random(2));
  if (file === "cpu.max") return `${1000 * (1 + random(90))} 100000`;
  if (file === "io.max")
    return `rbps=${4096 * (1 + random(1000))} wbps=max riops=max wiops=${10 + random(90)}`;
  return String(1000 * (1 + random(90)));
}

function cgroupLever(directory: string): Lever {
  const files = LEVER_FILES.filter((file) => fs.existsSync(path.join(directory, file)));
  const file = files[random(files.length)] as LeverFile;
  const { ino: inode } = fs.statSync(directory);
  const device = isPerDevice(file) ? values.device : null;
  return { kind: "cgroup", directory, inode, file, device, value: valueOf(file) };
}

function processLever(process: string): Lever {
  const [pid, startTicks] = process.split(":").map(Number) as [number, number];
  if (random(2) === 0) return { kind: "stop", pid, startTicks };
  return { kind: "nice", pid, startTicks, value: 5 + random(15) };
}

const tell = (line: Record<string, unknown>): void => {
  fs.writeSync(1, `${JSON.stringify(line)}\n`);
};

const duty = leversDuty({ directory: values.home, procRoot: "/proc", kernelLogPath: null });
const started = await GuardianProcess.startFor(duty);
if ("refusal" in started) throw new Error(started.refusal);
const { guardian, recovered } = started;
tell({ event: "guarded", guardian: guardian.pid, outstanding: recovered.outstanding.length });
const lanes = ["one", "two"].map(
  (lane) =>
    new Levers({
      journalPath: path.join(values.home, `levers-${lane}.journal`),
      roots: HOST_ROOTS,
      guarded: () => guardian.alive,
    }),
);
for (let turn = 0; ; turn++) {
  // Each lane has its own; what one holds the other does not touch.
  for (const [i, lane] of lanes.entries()) {
    const own = (_: unknown, k: number): boolean => k % 2 === i;
    const cgroups = values.cgroup.filter(own);
    const processes = positionals.filter(own);
    const levers = [...cgroups.map(cgroupLever), ...processes.map(processLever)];
    for (const lever of levers) {
      if (random(3) === 0) await lane.undo(lever);
      else await lane.impose(lever);
    }
    if (random(10) === 0) await lane.undoAll();
  }
  if (turn === 0) tell({ event: "moving" });
  if (turn % 20 === 0) await breathe();
}
