/** What is decided about virtual machines, and how memory's decisions wait for them. */
import { describe, expect, test } from "vitest";
import type { LevelName, Policy } from "../../src/core/policy/policy.ts";
import type { VmPolicy } from "../../src/core/policy/resources.ts";
import type { ResourceOutcome } from "../../src/core/resources/report.ts";
import { MemoryState } from "../../src/core/memory/state.ts";
import { step } from "../../src/core/memory/step.ts";
import { aboutMachine } from "../../src/core/vm/machines.ts";
import type { Held, VmAction } from "../../src/core/vm/action.ts";
import { cgroupNumber } from "../../src/core/cgroups/number.ts";
import { VM_COLUMNS, Vm } from "../../src/core/vm/columns.ts";
import { VmRanking } from "../../src/core/vm/rank.ts";
import { VmState } from "../../src/core/vm/state.ts";
import {
  decide,
  freezeForCpu,
  holdsFrom,
  takeCpuPressure,
  takeMemory,
  takeReport,
} from "../../src/core/vm/step.ts";
import { builtIn, frame, HZ, walk, withCritical } from "../support/memory-frames.ts";
import { GiB, MiB } from "../support/victim-host.ts";

const S = 1_000_000;
const RUNNING = 1;
const PAUSED = 3;
const OFF = 5;

interface Look {
  readonly name: string;
  readonly state?: number;
  readonly bytes?: number;
  readonly cpuUs?: number;
  readonly held?: Held;
  readonly source?: "libvirt" | "cgroup";
}

class World {
  readonly state = new VmState("t", 0);
  readonly policy: Policy;
  readonly ranking: VmRanking;
  readonly #numbers = new Map<string, number>();

  constructor(vm: Partial<VmPolicy> = {}, policy: Policy = builtIn) {
    this.policy = {
      ...policy,
      vm: {
        ...policy.vm,
        enabled: true,
        hibernateAt: "warning",
        freezeOnCpu: true,
        destroy: false,
        never: [],
        order: [],
        deadlineMs: 10_000,
        resumeAfterMs: 60_000,
        ...vm,
      },
    };
    this.ranking = new VmRanking(this.policy.vm);
  }

  look(atUs: number, machines: readonly Look[]): void {
    const things = machines.map(({ name, held = null, bytes, source = "libvirt" }) => {
      const number = this.#numbers.get(name) ?? cgroupNumber(1, this.#numbers.size);
      this.#numbers.set(name, number);
      return {
        number,
        name,
        about: aboutMachine({ source, id: `id-${name}` }, held, held === null ? null : (bytes ?? null)),
      };
    });
    this.state.machines.takeNames(things, []);
    this.state.isKnown = true;
    const row = new Float64Array(VM_COLUMNS.length);
    machines.forEach(({ name, state = RUNNING, bytes = Number.NaN, cpuUs = Number.NaN }) => {
      row[Vm.timeUs] = atUs;
      row[Vm.machine] = this.#numbers.get(name) as number;
      row[Vm.state] = state;
      row[Vm.memoryBytes] = bytes;
      row[Vm.residentBytes] = Number.NaN;
      row[Vm.cpuUs] = cpuUs;
      row[Vm.processors] = 1;
      this.state.machines.takeRow(row);
    });
    this.state.lastLookUs = atUs;
  }

  memory(atUs: number, level: LevelName | null, availableBytes = GiB, busy = false): void {
    takeMemory(this.state, { atUs, level, busy, availableBytes, reserveBytes: 256 * MiB }, this.policy);
  }

  decide(atUs: number): VmAction | null {
    return decide(this.state, this.ranking, this.policy, atUs);
  }

  report(atUs: number, action: VmAction, outcome: ResourceOutcome): void {
    const { id, kind, subject } = action;
    const report = {
      id,
      resource: "vm",
      subject,
      verb: kind,
      target: subject,
      victims: [],
      outcome,
      why: "",
      before: {},
      after: {},
      steps: [],
      candidates: [],
      wallMs: 0,
      tookMs: 0,
      dryRun: false,
    } as const;
    takeReport(this.state, report, atUs);
  }

  holds(atUs: number): string | null {
    return holdsFrom(this.state, this.ranking, this.policy, atUs);
  }
}

const THREE: readonly Look[] = [
  { name: "small", bytes: GiB },
  { name: "big", bytes: 4 * GiB },
  { name: "middle", bytes: 2 * GiB },
];

describe("for memory", () => {
  test("the biggest goes first, one at a time, and after each a newer sample is waited for", () => {
    const world = new World();
    world.look(0, THREE);
    expect(world.decide(1)).toBeNull();
    world.memory(1 * S, "warning");
    const first = world.decide(1 * S) as VmAction;
    expect(first).toMatchObject({
      kind: "hibernate",
      subject: "big",
      machine: { source: "libvirt", id: "id-big" },
    });
    expect(first.candidates).toEqual(["middle, 2.00 GiB", "small, 1.00 GiB"]);
    expect(world.decide(2 * S)).toBeNull();
    world.look(3 * S, [
      { name: "big", state: OFF, held: "hibernated" },
      ...THREE.filter(({ name }) => name !== "big"),
    ]);
    world.report(3 * S, first, "done");
    expect(world.decide(3 * S)).toBeNull();
    world.memory(3.1 * S, "warning");
    expect(world.decide(3.1 * S)).toMatchObject({ subject: "middle" });
  });

  test("one in use by nobody else's order: never is never, order goes before size", () => {
    const world = new World({ never: ["b*"], order: ["small"] });
    world.look(0, THREE);
    world.memory(1 * S, "critical");
    const action = world.decide(1 * S);
    expect(action).toMatchObject({ subject: "small" });
    expect(action?.candidates).toEqual(["middle, 2.00 GiB"]);
  });

  test("not at a milder level than the policy's, and not while a process is being ended", () => {
    const world = new World({ hibernateAt: "critical" });
    world.look(0, THREE);
    world.memory(1 * S, "warning");
    expect(world.decide(1 * S)).toBeNull();
    world.memory(2 * S, "thrashing");
    expect(world.decide(2 * S)).toBeNull();
    world.memory(3 * S, "critical", GiB, true);
    expect(world.decide(3 * S)).toBeNull();
    world.memory(4 * S, "critical");
    expect(world.decide(4 * S)).not.toBeNull();
  });

  test("one that refuses is not asked again for a while; with destroy it is destroyed, when all else is off", () => {
    const world = new World({ destroy: true });
    world.look(0, [{ name: "big", bytes: GiB }]);
    world.memory(1 * S, "warning");
    world.report(2 * S, world.decide(1 * S) as VmAction, "failed");
    world.memory(3 * S, "warning");
    expect(world.decide(3 * S)).toBeNull();
    world.memory(4 * S, "critical");
    expect(world.decide(4 * S)).toMatchObject({ kind: "destroy", subject: "big" });
    const kind = new World();
    kind.look(0, [{ name: "big", bytes: GiB }]);
    kind.memory(1 * S, "critical");
    kind.report(2 * S, kind.decide(1 * S) as VmAction, "failed");
    kind.memory(3 * S, "critical");
    expect(kind.decide(3 * S)).toBeNull();
    kind.memory(303 * S, "critical");
    expect(kind.decide(303 * S)).toMatchObject({ kind: "hibernate" });
  });

  test("whoever should have reported is gone: after its time it counts as refused, and the next one goes", () => {
    const world = new World();
    world.look(0, THREE);
    world.memory(1 * S, "warning");
    const first = world.decide(1 * S) as VmAction;
    world.memory(40 * S, "warning");
    expect(world.decide(40 * S)).toBeNull();
    world.memory(42 * S, "warning");
    expect(world.decide(42 * S)).toBeNull();
    world.memory(43 * S, "warning");
    expect(world.decide(43 * S)).toMatchObject({ subject: "middle" });
    // Its late report is not the present one's.
    world.report(44 * S, first, "done");
    expect(world.state.inFlight).not.toBeNull();
  });

  test("started again after calm, the smallest first, if there is room, and one after the other", () => {
    const world = new World();
    world.look(0, [
      { name: "small", state: OFF, held: "hibernated", bytes: GiB },
      { name: "big", state: OFF, held: "hibernated", bytes: 40 * GiB },
      { name: "others", state: OFF },
    ]);
    world.memory(1 * S, "warning");
    world.memory(2 * S, null, 8 * GiB);
    expect(world.decide(61 * S)).toBeNull();
    world.memory(62 * S, null, 1.1 * GiB);
    expect(world.decide(62 * S)).toBeNull();
    world.memory(63 * S, null, 8 * GiB);
    const start = world.decide(63 * S) as VmAction;
    expect(start).toMatchObject({ kind: "start", subject: "small" });
    world.look(64 * S, [{ name: "small" }, { name: "big", state: OFF, held: "hibernated", bytes: 40 * GiB }]);
    world.report(64 * S, start, "released");
    world.memory(65 * S, null, 80 * GiB);
    expect(world.decide(65 * S)).toBeNull();
    expect(world.decide(124 * S)).toMatchObject({ kind: "start", subject: "big" });
  });
});

describe("for the processors", () => {
  const freeze = (world: World, atUs: number) =>
    freezeForCpu(world.state, world.ranking, world.policy, atUs, "load");

  function busy(): World {
    const world = new World({ never: ["spared"] });
    for (const [at, turns] of [
      [0, 0],
      [10, 1],
    ] as const) {
      world.look(at * S, [
        { name: "idle", cpuUs: turns * 1000, bytes: 8 * GiB },
        { name: "half", cpuUs: turns * 5 * S },
        { name: "full", cpuUs: turns * 10 * S },
        { name: "spared", cpuUs: turns * 20 * S },
        { name: "/qemu", cpuUs: turns * 2 * S, source: "cgroup" },
      ]);
    }
    return world;
  }

  test("who uses most is frozen; the next after a newer look; who uses nothing never", () => {
    const world = busy();
    const names: string[] = [];
    for (let turn = 0; turn < 3; turn++) {
      const action = freeze(world, (20 + turn) * S) as VmAction;
      expect(action.kind).toBe("freeze");
      expect(freeze(world, (20 + turn) * S)).toBe("under-way");
      names.push(action.subject);
      world.report((20 + turn) * S, action, "failed");
      expect(freeze(world, (20 + turn) * S)).toBe(turn < 2 ? "under-way" : "none");
      world.state.lastLookUs = (20.5 + turn) * S;
    }
    expect(names).toEqual(["full", "half", "/qemu"]);
    expect(freeze(world, 24 * S)).toBe("none");
  });

  test("they go on when the load has been over for long enough, and only those that the guard froze", () => {
    const world = new World();
    world.look(0, [
      { name: "ours", state: PAUSED, held: "frozen" },
      { name: "others", state: PAUSED },
    ]);
    takeCpuPressure(world.state, true, 1 * S);
    expect(world.decide(500 * S)).toBeNull();
    takeCpuPressure(world.state, false, 501 * S);
    expect(world.decide(560 * S)).toBeNull();
    const resume = world.decide(561 * S) as VmAction;
    expect(resume).toMatchObject({ kind: "resume", subject: "ours" });
    world.look(562 * S, [{ name: "ours" }, { name: "others", state: PAUSED }]);
    world.report(562 * S, resume, "released");
    expect(world.decide(900 * S)).toBeNull();
  });

  test("not when the policy does not say so", () => {
    const world = busy();
    const policy = { ...world.policy, vm: { ...world.policy.vm, freezeOnCpu: false } };
    expect(freezeForCpu(world.state, world.ranking, policy, 20 * S, "load")).toBe("none");
  });
});

describe("processes wait for machines", () => {
  test("while one is hibernated or could be, and until it shows; each gives the next its time, and no more", () => {
    const world = new World();
    expect(world.holds(0)).toBe("warning");
    world.look(0, THREE.slice(0, 2));
    expect(world.holds(1 * S)).toBe("warning");
    world.memory(1 * S, "warning");
    const first = world.decide(1 * S) as VmAction;
    expect(world.holds(10.9 * S)).toBe("warning");
    expect(world.holds(11.1 * S)).toBeNull();
    world.look(12 * S, [
      { name: "big", state: OFF, held: "hibernated" },
      { name: "small", bytes: GiB },
    ]);
    world.report(12 * S, first, "done");
    expect(world.holds(12 * S)).toBe("warning");
    world.memory(13 * S, "warning");
    const second = world.decide(13 * S) as VmAction;
    world.report(14 * S, second, "failed");
    // What it brought is to be seen first.
    expect(world.holds(14 * S)).toBe("warning");
    world.memory(14.1 * S, "warning");
    expect(world.holds(14.1 * S)).toBeNull();
  });

  test("not when the policy hibernates nobody, or only says what it would do", () => {
    for (const world of [new World({ hibernateAt: null }), new World({}, { ...builtIn, dryRun: true })]) {
      world.look(0, THREE);
      world.memory(1 * S, "critical");
      expect(world.holds(1 * S)).toBeNull();
    }
  });

  test("at the start for five seconds at most, when nobody says whether there are machines", () => {
    const world = new World();
    world.memory(1 * S, "critical");
    expect(world.holds(5 * S)).toBe("warning");
    expect(world.holds(6.1 * S)).toBeNull();
  });
});

describe("memory's step, held back", () => {
  const hog = { pid: 4000, anonBytes: 6 * GiB, residentBytes: 6 * GiB };
  const near = (heldFrom: "warning" | "critical" | null) => {
    const state = new MemoryState({ ticksPerSecond: HZ, ownPid: 50, idPrefix: "t" });
    step(state, { frame: frame(0, 0.15), walk: null, end: null, heldFrom }, builtIn);
    step(state, { frame: null, walk: walk(1, [hog]), end: null, heldFrom }, builtIn);
    return state;
  };

  test("ends nobody while it lasts, and does at once when it is over", () => {
    const state = near("critical");
    expect(state.standing?.immediate).toBe(false);
    // A level that came slowly: there is time.
    for (let ms = 10_000; ms <= 20_000; ms += 1000) {
      const walked = step(
        state,
        { frame: null, walk: walk(ms - 1, [hog]), end: null, heldFrom: "critical" },
        builtIn,
      );
      const output = step(
        state,
        { frame: frame(ms, 0.04), walk: null, end: null, heldFrom: "critical" },
        builtIn,
      );
      expect([...walked.decisions, ...output.decisions]).toEqual([]);
    }
    const after = step(state, { frame: frame(20_010, 0.04), walk: null, end: null, heldFrom: null }, builtIn);
    expect(after.decisions.map(({ verdict }) => verdict)).toEqual(["end"]);
  });

  test("waits no longer than memory lasts", () => {
    const state = near("critical");
    let ended = Number.NaN;
    for (let ms = 100; ms < 3000 && Number.isNaN(ended); ms += 100) {
      // A tenth of all there is each second.
      const share = 0.15 - ms / 10_000;
      step(state, { frame: null, walk: walk(ms - 1, [hog]), end: null, heldFrom: "critical" }, builtIn);
      const { decisions } = step(
        state,
        { frame: frame(ms, share), walk: null, end: null, heldFrom: "critical" },
        builtIn,
      );
      if (decisions.some(({ verdict }) => verdict === "end")) ended = share;
    }
    // At the line, as though there were no machines: what is left lasts half a second.
    expect(ended).toBeGreaterThan(0.035);
    expect(ended).toBeLessThan(0.05);
  });

  test("a milder level than the one that waits does not wait; without machines the kernel's word is acted on at once", () => {
    const warning = withCritical({});
    const { warning: level } = warning.memory;
    const policy = {
      ...warning,
      memory: { ...warning.memory, warning: { ...level, ladder: warning.memory.critical?.ladder } },
    } as Policy;
    const state = near("critical");
    step(state, { frame: null, walk: walk(9_999, [hog]), end: null, heldFrom: "critical" }, policy);
    const output = step(
      state,
      { frame: frame(10_000, 0.09), walk: null, end: null, heldFrom: "critical" },
      policy,
    );
    expect(output.decisions.map(({ verdict, level: at }) => [verdict, at])).toEqual([["end", "warning"]]);
    expect(near(null).standing?.immediate).toBe(true);
  });
});
