/**
 * Whom the processors' load is blamed on, by walks over the real /proc: one that spins, among thirty that are busy. Nobody is
 * acted on. All are in one cgroup that may use one processor, so the machine stays usable.
 */
import { expect, test, type TestContext } from "vitest";
import { rankCulprits } from "../../src/core/cpu/choose.ts";
import { ProcessLoads } from "../../src/core/cpu/process-loads.ts";
import { WalkReader } from "../../src/core/memory/walk-from-ring.ts";
import { RingReader } from "../../src/core/ring/reader.ts";
import { createRing } from "../../src/core/ring/views.ts";
import { PROCESS_COLUMNS, PROCESS_ROWS_PER_SEGMENT, PROCESS_SEGMENTS } from "../../src/core/samples.ts";
import { loadPolicy } from "../../src/main/config/load-policy.ts";
import { systemUnits } from "../../src/native/system.ts";
import { hostPids } from "../../src/workers/common/pid-source.ts";
import { ProcessWalker } from "../../src/workers/sampler/processes/walker.ts";
import { buildProgram } from "../programs/build.ts";
import { TestCgroup } from "../support/cgroup.ts";
import { cpuCgroups, need, root } from "../support/needs.ts";
import type { Program } from "../support/program.ts";
import { waitFor } from "../support/wait.ts";

const ROUNDS = 20;
const BUSY = 30;
const INTERVAL_MS = 100;
const WINDOW = 20;
/** Known for so long, as the policy's `in_a_row` would have it, and more: a busy machine's walks come late. */
const HISTORY_US = 1_500_000;
const NOBODY: ReadonlySet<string> = new Set();

class Watch {
  readonly #walker: ProcessWalker;
  readonly #walks: WalkReader;
  readonly #units = systemUnits();
  #walkedMs = Number.NEGATIVE_INFINITY;
  loads = new ProcessLoads();

  constructor() {
    const ring = createRing({
      columns: PROCESS_COLUMNS,
      rowsPerSegment: PROCESS_ROWS_PER_SEGMENT,
      segments: PROCESS_SEGMENTS,
    });
    this.#walker = new ProcessWalker({
      procRoot: "/proc",
      source: hostPids("/proc"),
      ring,
      policy: loadPolicy(),
      hierarchy: null,
      units: this.#units,
      descriptors: 10_000,
      spared: new Set(),
      onlyUid: null,
      announce: () => undefined,
    });
    this.#walks = new WalkReader(new RingReader(ring));
  }

  /** Walks, and ranks those who may be blamed. Others who run on this machine are left out as if the policy said never. */
  first(mayBe: ReadonlySet<number>): { readonly pid: number; readonly tookMs: number } | null {
    const nowMs = performance.now();
    if (nowMs - this.#walkedMs < INTERVAL_MS) return null;
    this.#walkedMs = nowMs;
    this.#walker.walk(0);
    const walk = this.#walks.next();
    if (walk === null) throw new Error("expected a walk in the ring");
    const { ticksPerSecond } = this.#units;
    for (const row of walk.rows) if (!mayBe.has(row.pid)) row.never = true;
    const beganMs = performance.now();
    this.loads.take(walk, { ticksPerSecond, cores: 2, intervalMs: INTERVAL_MS, window: WINDOW }, NOBODY);
    if (this.loads.historyUs < HISTORY_US) return null;
    const { candidates } = rankCulprits({
      processes: walk.rows,
      useOf: (row) => this.loads.of(row),
      departedOfGroup: (group) => this.loads.departedOfGroup(group),
      cores: 2,
      running: 2,
      excessCores: 0,
      unit: "auto",
      ownPid: process.pid,
      settled: NOBODY,
    });
    return { pid: candidates[0]?.pid ?? -1, tookMs: performance.now() - beganMs };
  }

  close(): void {
    this.#walker.close();
  }
}

async function burn(context: TestContext, cgroup: TestCgroup, permille: number): Promise<Program> {
  const { path, reason } = buildProgram("burner", ["test/programs/burner.c"]);
  if (path === undefined) return context.skip(reason);
  const burner = await cgroup.run(context, [path, String(permille)]);
  await burner.said("ready");
  return burner;
}

test(`a spinning process among ${BUSY} busy ones is the one that is blamed, ${ROUNDS} of ${ROUNDS}`, {
  timeout: 300_000,
}, async (context) => {
  need(context, root, cpuCgroups);
  const cgroup = TestCgroup.of(context, "cpu");
  // One processor for all of them; and before who else has work on this machine, or nobody in it would get its share.
  cgroup.write("cpu.cfs_quota_us", "100000");
  cgroup.write("cpu.shares", "8192");
  const busy: Program[] = [];
  for (let i = 0; i < BUSY; i++) busy.push(await burn(context, cgroup, 3 + ((i * 7) % 18)));
  const watch = new Watch();
  context.onTestFinished(() => watch.close());
  const blamed: boolean[] = [];
  const tookMs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const spinner = await burn(context, cgroup, 1000);
    watch.loads = new ProcessLoads();
    const members = new Set([...busy, spinner].map(({ pid }) => pid));
    const first = await waitFor("a history of walks", () => watch.first(members), 30_000);
    blamed.push(first.pid === spinner.pid);
    tookMs.push(first.tookMs);
    spinner.kill("SIGKILL");
    await spinner.ended;
  }
  expect(blamed).toEqual(Array.from({ length: ROUNDS }, () => true));
  expect(tookMs.sort((a, b) => a - b)[ROUNDS / 2]).toBeLessThan(20);
});
