/**
 * A guard that does nothing but move limits, as fast as it can, journaled and watched by a guardian:
 * limit-mover --journal PATH --seed N -- DIRECTORY... Of the cgroups (v1) it moves the limits up and down, pauses and
 * unpauses; what the kernel refuses it puts back. Tells its guardian's pid, then that it is moving, as JSON lines.
 */
import fs from "node:fs";
import path from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import { parseArgs } from "node:util";
// First of all: see src/native/libc.ts.
import "../../src/native/libc.ts";
import { GuardianProcess } from "../../src/main/guardian/guardian.ts";
import { systemUnits } from "../../src/native/system.ts";
import { Journal } from "../../src/workers/rescue/journal.ts";

const MIB = 1024 * 1024;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { journal: { type: "string", default: "" }, seed: { type: "string", default: "1" } },
});

/** xorshift: what is moved is the same for the same seed. */
let state = Number(values.seed) | 1;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

interface Move {
  readonly file: string;
  readonly inode: number;
  readonly before: number;
  readonly value: number;
}

function read(file: string): number {
  const text = fs.readFileSync(file, "utf8");
  const amount = Number(/\d+/.exec(text)?.[0]);
  return amount > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : amount;
}

function write(file: string, value: number): boolean {
  try {
    fs.writeFileSync(file, value === Number.POSITIVE_INFINITY ? "-1" : String(value), { flag: "r+" });
    return true;
  } catch {
    return false;
  }
}

function moveOf(directory: string): Move {
  const { ino: inode } = fs.statSync(directory);
  const pauses = random(4) === 0;
  const file = path.join(directory, pauses ? "memory.oom_control" : "memory.limit_in_bytes");
  const before = read(file);
  const value = pauses ? 1 - before : random(10) === 0 ? Number.POSITIVE_INFINITY : (20 + random(400)) * MIB;
  return { file, inode, before, value };
}

const tell = (line: Record<string, unknown>): void => {
  fs.writeSync(1, `${JSON.stringify(line)}\n`);
};

const started = await GuardianProcess.start({
  journalPath: values.journal,
  procRoot: "/proc",
  pageBytes: systemUnits().pageBytes,
  kernelLogPath: null,
});
if ("refusal" in started) throw new Error(started.refusal);
tell({ event: "guarded", guardian: started.guardian.pid, outstanding: started.recovered.outstanding.length });
const journal = Journal.open(values.journal);
for (let turn = 0; ; turn++) {
  const chosen = positionals.filter(() => random(2) === 0).map(moveOf);
  for (const { file, inode, before, value } of chosen) journal.set(file, inode, before, value);
  if (journal.commit() !== null) throw new Error("the journal cannot be written");
  for (const { file, value, before } of chosen) {
    if (!write(file, value) && read(file) !== before) throw new Error(`${file} refused, and changed`);
  }
  if (turn === 0) tell({ event: "moving" });
  if (turn % 50 === 0) {
    journal.tidy();
    await breathe();
  }
}
