/** Fair use of processors by cgroups: warned, put in quarantine, tested at doubling intervals, let go. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FairUse, type FairUseOrder } from "../../src/core/cpu/fair-use.ts";
import type { FairUsePolicy } from "../../src/core/policy/resources.ts";
import type { ResourceChange, ResourceOutcome, ResourceReport } from "../../src/core/resources/report.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const SECOND_US = 1e6;
/** The seed's numbers. */
const POLICY: FairUsePolicy = {
  cgroups: ["/machine.slice/**"],
  cores: 0.8,
  windowMs: 300_000,
  warnMs: 300_000,
  quarantineMs: 600_000,
  quarantineCores: 0.1,
  releaseMs: 300_000,
  measureMs: 5000,
};
const VM = "/machine.slice/vm";

interface Cgroup {
  cores: number;
  usageUs: number;
  inode: number;
  limitCores: number | null;
  held: boolean;
}

type Order = FairUseOrder & { readonly id: string };

/** Cgroups that use so and so much, and a lane that does at once what it is told, or what the test says. */
class Host {
  readonly fairUse: FairUse;
  readonly cgroups = new Map<string, Cgroup>();
  readonly changes: (ResourceChange & { readonly second: number })[] = [];
  readonly orders: (Order & { readonly second: number })[] = [];
  policy: FairUsePolicy | null = POLICY;
  outcome: ResourceOutcome | null = "done";
  second = 0;
  #id = 0;

  constructor(recognises = false) {
    this.fairUse = new FairUse(recognises);
  }

  add(cgroup: string, cores: number, fields: Partial<Cgroup> = {}): Cgroup {
    const added = { cores, usageUs: 0, inode: 1, limitCores: null, held: false, ...fields };
    this.cgroups.set(cgroup, added);
    return added;
  }

  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      this.second++;
      for (const each of this.cgroups.values())
        each.usageUs += SECOND_US * (each.held ? Math.min(each.cores, POLICY.quarantineCores) : each.cores);
      const samples = [...this.cgroups].map(([cgroup, { usageUs, inode, limitCores }]) => ({
        cgroup,
        usageUs,
        inode,
        limitCores,
      }));
      this.#note(this.fairUse.take(samples, this.second * SECOND_US, this.policy));
      const order = this.fairUse.next(this.second * SECOND_US, this.policy, () => `id${++this.#id}`);
      if (order === null) continue;
      this.orders.push({ ...order, second: this.second });
      if (this.outcome !== null) this.report(order, this.outcome);
    }
  }

  report(order: Order, outcome: ResourceOutcome): void {
    const cgroup = this.cgroups.get(order.cgroup);
    if (cgroup !== undefined && outcome === "done") cgroup.held = order.kind === "quarantine";
    this.#note(
      this.fairUse.report(reportOf(order.id, order.cgroup, order.kind, outcome), this.second * SECOND_US),
    );
  }

  /** What was ordered, at which second. */
  get said(): string[] {
    return this.orders.map(({ kind, second }) => `${kind} ${second}`);
  }

  get levels(): string[] {
    return this.changes.map(({ level, change, second }) => `${level} ${change} ${second}`);
  }

  #note(changes: readonly ResourceChange[]): void {
    this.changes.push(...changes.map((change) => ({ ...change, second: this.second })));
  }
}

function reportOf(id: string, subject: string, verb: string, outcome: ResourceOutcome): ResourceReport {
  const rest = { target: subject, victims: [], why: "", before: {}, after: {}, steps: [], candidates: [] };
  return {
    id,
    resource: "cpu",
    subject,
    verb,
    outcome,
    wallMs: 0,
    tookMs: 0,
    dryRun: outcome === "dry-run",
    ...rest,
  };
}

describe("a cgroup that uses more than its share", () => {
  test("is warned after 300 s, put in quarantine 600 s later, tested after 300, 600 and 1200 s", () => {
    const host = new Host();
    host.add(VM, 1);
    host.pass(4000);
    // The first look is at second 1; a whole window is known 300 s later.
    expect(host.levels.slice(0, 2)).toEqual(["warning began 601", "critical began 1201"]);
    expect(host.said.slice(0, 7)).toEqual([
      "quarantine 1201",
      "release 1501",
      "quarantine 1507",
      "release 2107",
      "quarantine 2113",
      "release 3313",
      "quarantine 3319",
    ]);
    expect(host.orders[0]).toMatchObject({ cgroup: VM, cores: 0.1, numbers: { cores: 1, shareCores: 0.8 } });
    expect(host.levels).toHaveLength(2);
  });

  test("is let go for good when it behaves in a test, and begins anew", () => {
    const host = new Host();
    const vm = host.add(VM, 1);
    host.pass(1300);
    vm.cores = 0.5;
    host.pass(300);
    expect(host.said).toEqual(["quarantine 1201", "release 1501"]);
    expect(host.levels.slice(2)).toEqual(["critical ended 1507", "warning ended 1507"]);
    vm.cores = 1;
    host.pass(1000);
    expect(host.levels.at(-1)).toMatch(/^warning began/);
    expect(host.said).toHaveLength(2);
  });

  test("nothing happens at its share, nor above it for less than the time to be warned", () => {
    const host = new Host();
    const vm = host.add(VM, 0.8);
    host.pass(5000);
    vm.cores = 1.2;
    host.pass(200);
    vm.cores = 0;
    host.pass(2000);
    expect(host.levels).toEqual([]);
  });

  test("what was warned of ends when use falls below the share", () => {
    const host = new Host();
    const vm = host.add(VM, 1);
    host.pass(700);
    vm.cores = 0;
    host.pass(600);
    expect(host.levels.map((level) => level.replace(/ \d+$/, ""))).toEqual([
      "warning began",
      "warning ended",
    ]);
    expect(host.orders).toEqual([]);
  });

  test("when the lane cannot, it comes due again after the same time, and no level is said to stand", () => {
    const host = new Host();
    host.add(VM, 1);
    host.outcome = "failed";
    host.pass(1900);
    expect(host.said).toEqual(["quarantine 1201", "quarantine 1801"]);
    expect(host.levels).toEqual(["warning began 601"]);
  });

  test("a release that does not come about is tried again later", () => {
    const host = new Host();
    host.add(VM, 1);
    host.pass(1210);
    host.outcome = "failed";
    host.pass(1000);
    expect(host.said).toEqual(["quarantine 1201", "release 1501", "release 2101"]);
  });
});

describe("cgroups that come and go", () => {
  test("one that is gone ends its levels; one made anew at its path begins anew", () => {
    const host = new Host();
    host.add(VM, 1);
    host.pass(1300);
    host.cgroups.delete(VM);
    host.pass(1);
    expect(host.levels.slice(2)).toEqual(["critical ended 1301", "warning ended 1301"]);
    host.add(VM, 1, { inode: 2 });
    host.pass(590);
    expect(host.levels).toHaveLength(4);
    host.pass(20);
    expect(host.levels).toHaveLength(5);
  });

  test("the report of one that is gone meanwhile is taken without harm", () => {
    const host = new Host();
    host.add(VM, 1);
    host.outcome = null;
    host.pass(1201);
    host.cgroups.delete(VM);
    host.pass(1);
    host.report(host.orders[0] as Order, "done");
    expect(host.fairUse.held).toEqual([]);
    expect(host.fairUse.inFlight).toBeNull();
  });

  test("counters that begin anew make no use out of nothing", () => {
    const host = new Host();
    const vm = host.add(VM, 0.5);
    host.pass(1000);
    vm.usageUs = 0;
    host.pass(1000);
    expect(host.levels).toEqual([]);
  });
});

describe("what an earlier life left", () => {
  test("a limit that is a quarantine's is recognised, and tested", () => {
    const host = new Host(true);
    host.add(VM, 1, { limitCores: 0.1, held: true });
    host.add("/machine.slice/other", 0.1, { limitCores: 0.5 });
    host.pass(310);
    expect(host.levels.slice(0, 2)).toEqual(["warning began 1", "critical began 1"]);
    expect(host.said).toEqual(["release 301", "quarantine 307"]);
  });

  test("but a guard that has just begun takes nobody's own limit for one", () => {
    const host = new Host();
    host.add(VM, 0.1, { limitCores: 0.1 });
    host.pass(400);
    expect(host.levels).toEqual([]);
  });

  test("so is what the lane says that it still holds", () => {
    const host = new Host();
    host.add(VM, 0.1, { held: true });
    host.pass(10);
    host.fairUse.report(reportOf("an earlier life's", VM, "quarantine", "done"), 10 * SECOND_US);
    host.pass(301);
    expect(host.said).toEqual(["release 310"]);
  });
});

describe("a policy that is read anew", () => {
  test("lets go whom it names no longer, one after another", () => {
    const host = new Host();
    host.add(VM, 1);
    host.add("/machine.slice/two", 1);
    host.pass(1203);
    expect(host.fairUse.held).toHaveLength(2);
    host.fairUse.leave(() => false);
    host.policy = null;
    host.pass(3);
    expect(host.orders.slice(2).map(({ kind, cgroup }) => `${kind} ${cgroup}`)).toEqual([
      "release /machine.slice/two",
      `release ${VM}`,
    ]);
    expect(host.fairUse.held).toEqual([]);
  });
});

test("never two orders in flight; a quarantine only of who is not in one, a release only of who is", () => {
  const event = fc.oneof(
    fc.record({ what: fc.constant("pass" as const), seconds: fc.integer({ min: 1, max: 900 }) }),
    fc.record({
      what: fc.constant("use" as const),
      cgroup: fc.constantFrom("/a", "/b", "/c"),
      cores: fc.constantFrom(0, 0.5, 1, 3),
    }),
    fc.record({ what: fc.constant("gone" as const), cgroup: fc.constantFrom("/a", "/b", "/c") }),
    fc.record({
      what: fc.constant("report" as const),
      outcome: fc.constantFrom<ResourceOutcome>("done", "failed", "dry-run", "refused", "unknown"),
    }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 25 }), (events) => {
      const host = new Host();
      host.outcome = null;
      let reported = 0;
      let inode = 0;
      const held = new Map<string, number>();
      for (const each of events) {
        if (each.what === "pass") host.pass(each.seconds);
        else if (each.what === "gone") host.cgroups.delete(each.cgroup);
        else if (each.what === "use") {
          const known = host.cgroups.get(each.cgroup);
          if (known === undefined) host.add(each.cgroup, each.cores, { inode: ++inode });
          else known.cores = each.cores;
        } else if (reported < host.orders.length) {
          const order = host.orders[reported++] as Order;
          host.report(order, each.outcome);
        }
        expect(host.orders.length - reported).toBeLessThanOrEqual(1);
        for (const cgroup of held.keys()) if (!host.fairUse.held.includes(cgroup)) held.delete(cgroup);
        for (const cgroup of host.fairUse.held) held.set(cgroup, 1);
        expect(host.fairUse.figures().every(({ cores }) => cores === null || cores >= 0)).toBe(true);
      }
      for (const [i, order] of host.orders.entries()) {
        if (order.kind !== "release") continue;
        expect(
          host.orders
            .slice(0, i)
            .some(({ cgroup, kind }) => cgroup === order.cgroup && kind === "quarantine"),
        ).toBe(true);
      }
    }),
    fuzzSettings(60),
  );
});
