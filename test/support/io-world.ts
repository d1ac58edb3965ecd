import type { IoAction, IoLimits } from "../../src/core/io/action.ts";
import { Io, IO_COLUMNS } from "../../src/core/io/columns.ts";
import type { CgroupIo } from "../../src/core/io/looks.ts";
import { IoState, type IoTerms } from "../../src/core/io/state.ts";
import { type IoOutput, step, takeReport } from "../../src/core/io/step.ts";
import { deviceNumber } from "../../src/core/parse/diskstats.ts";
import type { IoPolicy } from "../../src/core/policy/resources.ts";
import type { ResourceOutcome, ResourceReport } from "../../src/core/resources/report.ts";

export const SDA = deviceNumber(8, 0);
export const OPERATION_BYTES = 4096;

export const IO_POLICY: IoPolicy = {
  enabled: true,
  intervalMs: 1000,
  busyShare: 0.95,
  stallShare: 0.3,
  forMs: 3000,
  cgroups: ["/**"],
  devices: ["*"],
  bytesMinPerSecond: 1024 * 1024,
  operationsMinPerSecond: 20,
  releaseMs: 10_000,
  measureMs: 3000,
  ladder: [{ action: "log" }, { action: "throttle", share: 0.25, deadlineMs: 5000 }],
};

interface Cgroup {
  demand: number;
  reads: number;
  limit: IoLimits | null;
}

/** One disk that does so many reads a second, and cgroups that wish for more or less of them. */
export class IoWorld {
  readonly state: IoState;
  readonly capacity: number;
  readonly cgroups = new Map<string, Cgroup>();
  /** What nobody's cgroup accounts for. */
  otherReads = 0;
  readonly actions: IoAction[] = [];
  readonly outputs: IoOutput[] = [];
  nowUs = 1_000_000;
  /** What the lane answers. */
  outcomeOf: (action: IoAction) => ResourceOutcome = ({ kind, dryRun }) =>
    dryRun ? "dry-run" : kind === "throttle" || kind === "command" ? "done" : "released";
  ownBytes = 0;
  ownReads = 0;
  #reads = 0;
  #busyUs = 0;
  #stallUs = 0;
  #otherDone = 0;

  constructor(capacity: number, terms: Partial<IoTerms> = {}) {
    this.capacity = capacity;
    const whole: IoTerms = {
      policy: IO_POLICY,
      dryRun: false,
      mayThrottle: () => true,
      ownCgroup: "/guard",
      ownDevice: null,
      nested: false,
      ...terms,
    };
    this.state = new IoState(whole, "t");
    this.state.names([{ number: SDA, name: "sda", about: {} }], []);
    this.#row();
  }

  wish(path: string, demand: number): void {
    const known = this.cgroups.get(path);
    if (known === undefined) this.cgroups.set(path, { demand, reads: 0, limit: null });
    else known.demand = demand;
  }

  limitOf(path: string): IoLimits | null {
    return this.cgroups.get(path)?.limit ?? null;
  }

  /** Lets time pass, a second a turn. */
  run(seconds: number): void {
    for (let i = 0; i < seconds; i++) this.#second();
  }

  /** Reads done in the last second by each share what the disk can. */
  #second(): void {
    this.nowUs += 1_000_000;
    const wishes = [...this.cgroups.values()].map(({ demand, limit }) =>
      Math.min(demand, limit?.reads ?? Infinity, (limit?.readBytes ?? Infinity) / OPERATION_BYTES),
    );
    const total = wishes.reduce((sum, wish) => sum + wish, 0) + this.otherReads + this.ownReads;
    const part = Math.min(1, this.capacity / Math.max(1, total));
    for (const [i, cgroup] of [...this.cgroups.values()].entries()) {
      cgroup.reads += Math.floor((wishes[i] as number) * part);
    }
    this.#otherDone += Math.floor(this.otherReads * part);
    this.ownBytes += Math.floor(this.ownReads * part) * OPERATION_BYTES;
    const done = [...this.cgroups.values()].reduce((sum, { reads }) => sum + reads, 0);
    this.#reads = done + this.#otherDone + this.ownBytes / OPERATION_BYTES;
    this.#busyUs += 1_000_000 * Math.min(1, total / this.capacity);
    this.#stallUs += total >= this.capacity ? 900_000 : 0;
    this.#row();
    for (const device of this.state.near) {
      const cgroups = [...this.cgroups.keys()].map((path): CgroupIo => {
        const reads = this.#readsOf(path);
        const counters = {
          device: SDA,
          readBytes: reads * OPERATION_BYTES,
          writtenBytes: 0,
          reads,
          writes: 0,
        };
        return { path, counters };
      });
      this.state.look(device, { atUs: this.nowUs, cgroups, ownBytes: this.ownBytes });
    }
    this.#step();
  }

  /** Where cgroups are nested, with those of the ones within. */
  #readsOf(path: string): number {
    let reads = 0;
    for (const [each, cgroup] of this.cgroups) {
      if (each === path || (this.state.terms.nested && each.startsWith(`${path}/`))) reads += cgroup.reads;
    }
    return reads;
  }

  #row(): void {
    const row = new Float64Array(IO_COLUMNS.length);
    row[Io.timeUs] = this.nowUs;
    row[Io.device] = SDA;
    row[Io.reads] = this.#reads;
    row[Io.readBytes] = this.#reads * OPERATION_BYTES;
    row[Io.readUs] = this.#busyUs;
    row[Io.busyUs] = this.#busyUs;
    row[Io.weightedUs] = this.#busyUs * 2;
    row[Io.someStallUs] = this.#stallUs;
    this.state.row(row);
  }

  #step(): void {
    const output = step(this.state, this.nowUs);
    this.outputs.push(output);
    const { action } = output;
    if (action === null) return;
    this.actions.push(action);
    const outcome = this.outcomeOf(action);
    if ("cgroup" in action && outcome !== "dry-run") {
      const cgroup = this.cgroups.get(action.cgroup);
      if (cgroup !== undefined && (outcome === "done" || outcome === "partly")) {
        cgroup.limit = action.kind === "throttle" ? action.limits : null;
      }
      if (cgroup !== undefined && outcome === "released") cgroup.limit = null;
    }
    takeReport(this.state, reportOf(action, outcome), this.nowUs);
  }
}

export function reportOf(action: IoAction, outcome: ResourceOutcome): ResourceReport {
  const { id, resource, subject, why, dryRun, kind } = action;
  return {
    id,
    resource,
    subject,
    verb: kind,
    target: "cgroup" in action ? action.cgroup : null,
    victims: [],
    outcome,
    why,
    before: {},
    after: {},
    steps: [],
    candidates: [],
    wallMs: 0,
    tookMs: 0,
    dryRun,
  };
}
