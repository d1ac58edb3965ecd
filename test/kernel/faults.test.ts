import { describe, expect, test } from "vitest";
import { GUARD_WORKERS, type WorkerName } from "../../src/core/shared/board.ts";
import { TestCgroup } from "../support/cgroup.ts";
import { GuardProcess } from "../support/guard.ts";
import { memoryCgroups, need, root } from "../support/needs.ts";
import { waitFor } from "../support/wait.ts";

const KINDS = ["throw", "hang"] as const;
type Kind = (typeof KINDS)[number];

/** The threads of a guard that rescues nobody; of one that does: rescue.test.ts. */
const WORKERS: readonly WorkerName[] = [...GUARD_WORKERS, "cgroups"];
/** Guarding resumes within this time after a fault. */
const RESUME_LIMIT_MS = 2000;

interface WorkerStatus {
  readonly name: WorkerName;
  readonly life: number;
  readonly ready: boolean;
}

async function workerOf(guard: GuardProcess, name: WorkerName): Promise<WorkerStatus> {
  const { workers } = (await guard.ask({ ask: "status" })) as { workers: WorkerStatus[] };
  return workers.find((each) => each.name === name) as WorkerStatus;
}

/** Makes a worker fail. @returns how long it took until its next life was ready, in milliseconds */
async function failAndReturn(guard: GuardProcess, worker: WorkerName, kind: Kind): Promise<number> {
  const before = await workerOf(guard, worker);
  const beganMs = performance.now();
  expect(await guard.ask({ ask: "fault", worker, kind })).toEqual({ done: true });
  await waitFor(`${worker} to live again`, async () => {
    const now = await workerOf(guard, worker);
    return now.life > before.life && now.ready;
  });
  return performance.now() - beganMs;
}

describe("a worker that fails", () => {
  for (const worker of WORKERS) {
    test(`${worker} throws, then hangs: guarding resumes within 2 s, the gap is on record`, async (context) => {
      need(context, root, memoryCgroups);
      const cgroup = TestCgroup.memory(context, 200);
      const guard = await GuardProcess.start(context, {
        scope: cgroup.scope,
        env: { PLIMSOLL_ALLOW_FAULTS: "1" },
      });
      for (const kind of KINDS) {
        const hog = await cgroup.start(context, "grow", ["--to", "400", "--rate", "300"]);
        await hog.said("ready");
        const gapMs = await failAndReturn(guard, worker, kind);
        hog.go();
        expect(gapMs).toBeLessThan(RESUME_LIMIT_MS);
        expect(await hog.ended).toMatchObject({ signal: "SIGTERM" });
        expect(cgroup.oomKills).toBe(0);
        await guard.recorded("the hog's end", (line) => line["victims"]?.[0]?.pid === hog.pid);
      }
      const gaps = guard.audit().filter((line) => line["event"] === "gap");
      expect(gaps.map(({ worker: failed, why }) => [failed, why])).toEqual([
        [worker, "threw: told to fail"],
        [worker, expect.stringMatching(/^hung: ran for \d+ ms without a sign of life$/)],
      ]);
      expect(gaps[1]?.["silentMs"]).toBeGreaterThanOrEqual(1000);
      expect((await guard.stop()).code).toBe(0);
    });
  }

  test("nobody else can ask for faults", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 200);
    const guard = await GuardProcess.start(context, { scope: cgroup.scope });
    const answer = await guard.ask({ ask: "fault", worker: "memory", kind: "throw" });
    expect(answer).toHaveProperty("error");
    expect((await workerOf(guard, "memory")).life).toBe(1);
  });
});

/** The hog ignores SIGTERM, SIGKILL follows after a while: before a thread that hangs is found out, or after it. */
function ladder(termDeadlineMs: number): string {
  return `
[memory.critical]
available = "60MiB"
ladder = ["log", { action = "sigterm", deadline = "${termDeadlineMs}ms" }, { action = "sigkill", deadline = "5s" }]
`;
}
const STUBBORN = ["--to", "150", "--rate", "200", "--ignore-term"];

describe("a worker that hangs while an action is in flight", () => {
  const cases = [
    ...WORKERS.map((worker) => ({ worker, when: "before it is over", termDeadlineMs: 2500 })),
    // What is said of the end while these hang must reach their next life.
    ...(["analysis", "recorder"] as const).map((worker) => {
      return { worker, when: "across its end", termDeadlineMs: 500 };
    }),
  ];
  test.for(cases)(
    "$worker, $when: it comes to its end, is on record, and the next hog is ended too",
    async ({ worker, termDeadlineMs }, context) => {
      need(context, root, memoryCgroups);
      const cgroup = TestCgroup.memory(context, 200);
      const guard = await GuardProcess.start(context, {
        scope: cgroup.scope,
        policy: ladder(termDeadlineMs),
        env: { PLIMSOLL_ALLOW_FAULTS: "1" },
      });
      const first = await cgroup.start(context, "grow", STUBBORN);
      const second = await cgroup.start(context, "grow", STUBBORN);
      await Promise.all([first.said("ready"), second.said("ready")]);
      first.go();
      await first.said("ignored");
      await failAndReturn(guard, worker, "hang");
      expect(await first.ended).toMatchObject({ signal: "SIGKILL" });
      second.go();
      expect(await second.ended).toMatchObject({ signal: "SIGKILL" });
      expect(cgroup.oomKills).toBe(0);
      for (const hog of [first, second]) {
        const line = await guard.recorded("its end", (each) => each["victims"]?.[0]?.pid === hog.pid);
        expect(line).toMatchObject({ outcome: "ended" });
        const ends = guard.audit().filter((each) => each["id"] === line["id"]);
        expect(ends).toHaveLength(1);
      }
    },
  );

  test("the sentinel, which needs nobody, ends the hog while the analysis hangs; guarding goes on after it", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 200);
    const guard = await GuardProcess.start(context, {
      scope: cgroup.scope,
      // Near the line from the first moment on, so that an order stands; it falls due while the analysis hangs.
      policy: `[memory]\nwalk_below = "95%"\n[memory.critical]\navailable = "60MiB"\n`,
      env: { PLIMSOLL_ALLOW_FAULTS: "1" },
    });
    const first = await cgroup.start(context, "grow", ["--from", "50", "--to", "400", "--rate", "200"]);
    const second = await cgroup.start(context, "grow", ["--from", "1", "--to", "400", "--rate", "200"]);
    await Promise.all([first.said("ready"), second.said("ready")]);
    // An order is renewed with every walk, each 100 ms: the one that knows the hog is there after some.
    const walks = async (): Promise<number> =>
      (await guard.ask({ ask: "status" }))["memory"]["samples"] as number;
    const before = await walks();
    await waitFor("an order that knows the hogs", async () => (await walks()) > before + 10);
    const resumed = failAndReturn(guard, "analysis", "hang");
    first.go();
    const { signal, atMs } = await first.ended;
    expect([signal, cgroup.oomKills]).toEqual(["SIGTERM", 0]);
    await resumed;
    expect(performance.now()).toBeGreaterThan(atMs);
    const lost = await guard.recorded(
      "the order whose reasons are lost",
      (line) => line["event"] === "limited" && /standing order/.test(line["what"] as string),
    );
    expect(lost["why"]).toBe("the analysis failed at that time");
    second.go();
    expect(await second.ended).toMatchObject({ signal: "SIGTERM" });
    expect(cgroup.oomKills).toBe(0);
  });
});
