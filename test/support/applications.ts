import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import type { TestContext } from "vitest";
import { APP_COLUMNS, App } from "../../src/core/app/columns.ts";
import type { Member } from "../../src/core/app/groups.ts";
import type { ApplicationPolicy, GroupRule } from "../../src/core/policy/applications.ts";
import type { NamedThing } from "../../src/core/resources/resource.ts";
import { RingReader } from "../../src/core/ring/reader.ts";
import { createRing } from "../../src/core/ring/views.ts";
import { systemUnits } from "../../src/native/system.ts";
import { Applications } from "../../src/workers/app/applications.ts";
import { monotonicUs } from "../../src/workers/common/clock.ts";
import { waitFor } from "./wait.ts";

/** An application of these groups, the first of which is the main one. */
export function applicationOf(groups: readonly Partial<GroupRule>[]): ApplicationPolicy {
  const rules = groups.map((group, i) => ({
    name: `group${i}`,
    cmdline: "nothing",
    descendants: false,
    member: null,
    ...group,
  }));
  return {
    name: "test",
    intervalMs: 1000,
    groups: rules,
    main: rules[0]?.name ?? "",
    physical: null,
    allocated: null,
    dumpDirectory: "/tmp",
    dumpLimitBytes: 1,
  };
}

/** One row as it was read out of the ring. */
export interface SampledRow {
  readonly pid: number;
  readonly process: number;
  readonly residentBytes: number;
  readonly allocatedBytes: number;
  readonly totalBytes: number;
}

/** The sampling of one application's processes as the guard's thread does it, a look at a time. */
export class WatchedApplication {
  readonly names = new Map<number, NamedThing>();
  readonly mains: (number | null)[] = [];
  readonly several: number[][] = [];
  readonly #applications: Applications;
  readonly #rows: RingReader;
  readonly #row = new Float64Array(APP_COLUMNS.length);

  constructor(context: TestContext, policy: ApplicationPolicy, ownPid = -1) {
    const ring = createRing({ columns: APP_COLUMNS, rowsPerSegment: 512, segments: 4 });
    this.#rows = new RingReader(ring);
    this.#applications = new Applications({
      procRoot: "/proc",
      units: systemUnits(),
      epoch: 1,
      ring,
      ownPid,
      voice: {
        announce: (appeared: readonly NamedThing[], gone: readonly number[]) => {
          for (const number of gone) this.names.delete(number);
          for (const thing of appeared) this.names.set(thing.number, thing);
        },
        mainChanged: (_: ApplicationPolicy, main: Member | null) => void this.mains.push(main?.pid ?? null),
        severalMains: (_: ApplicationPolicy, __: Member, mains: readonly Member[]) =>
          void this.several.push(mains.map(({ pid }) => pid)),
        unreadable: () => undefined,
      },
    });
    this.#applications.watch([policy], monotonicUs());
    context.onTestFinished(() => this.#applications.close());
  }

  /** Of the main process; negative: there is none. */
  get mainPidfd(): number {
    return this.#applications.watched[0]?.mainPidfd ?? -1;
  }

  /** What the thread does when the pidfd says that the main process has ended. */
  mainEnded(): void {
    this.#applications.watched[0]?.mainEnded();
  }

  /** Looks and samples once. @returns the rows, by pid */
  look(): Map<number, SampledRow> {
    const nowUs = monotonicUs();
    for (const watched of this.#applications.watched) watched.dueUs = nowUs;
    this.#applications.sample(nowUs);
    const rows = new Map<number, SampledRow>();
    while (this.#rows.next(this.#row)) {
      const process = this.#row[App.process] as number;
      // Of one that ended in this very look the name is gone already.
      const pid = Number(this.names.get(process)?.about["pid"]);
      rows.set(pid, {
        pid,
        process,
        residentBytes: this.#row[App.residentBytes] as number,
        allocatedBytes: this.#row[App.allocatedBytes] as number,
        totalBytes: this.#row[App.totalBytes] as number,
      });
    }
    return rows;
  }

  /** Looks until what is found is as wanted. */
  until(what: string, wanted: (rows: Map<number, SampledRow>) => boolean): Promise<Map<number, SampledRow>> {
    return waitFor(
      what,
      () => {
        const rows = this.look();
        return wanted(rows) ? rows : null;
      },
      20_000,
    );
  }

  /** What is said of a process. */
  about(pid: number): Readonly<Record<string, string>> | undefined {
    return [...this.names.values()].find(({ about }) => about["pid"] === String(pid))?.about;
  }
}

/** Starts a program that is killed, with all of its process group, when the test has ended. */
export function startChild(
  context: TestContext,
  file: string,
  args: readonly string[],
  options: SpawnOptions = {},
): ChildProcess & { readonly pid: number } {
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "ignore"], detached: true, ...options });
  child.on("error", () => undefined);
  const { pid } = child;
  if (pid === undefined) throw new Error(`expected ${file} to start, found that it does not`);
  context.onTestFinished(() => {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // All of it is gone already.
    }
  });
  return child as ChildProcess & { readonly pid: number };
}
