/** The recorder's thread, as it is built: what is told of resources goes into the audit log, the kernel log, and to the terminal. */
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { expect, type TestContext, test } from "vitest";
import type { Envelope, Message } from "../../src/core/messages.ts";
import type { ResourceChange, ResourceOutcome, ResourceReport } from "../../src/core/resources/report.ts";
import { Board } from "../../src/core/shared/board.ts";
import { loadPolicy } from "../../src/main/config/load-policy.ts";
import { openDescriptors, SharedState } from "../../src/main/coordinator/shared-state.ts";
import { closeDescriptor } from "../../src/native/descriptor.ts";
import { systemUnits } from "../../src/native/system.ts";
import { HOST_ROOTS } from "../../src/workers/common/roots.ts";
import type { WorkerStart } from "../../src/workers/common/worker.ts";
import { projectRoot } from "../programs/build.ts";
import { type Line, parseLines, testDirectory } from "../support/guard.ts";
import { waitFor, within } from "../support/wait.ts";

/** A recorder, and the test in the coordinator's place. */
class RecorderThread {
  readonly #board = new Board();
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #auditPath: string;
  readonly #kernelLogPath: string;
  readonly sent: Message[] = [];
  #stopped = false;

  constructor(context: TestContext) {
    const home = testDirectory(context);
    this.#auditPath = path.join(home, "audit.jsonl");
    this.#kernelLogPath = path.join(home, "kmsg");
    const descriptors = openDescriptors(null, fs.openSync(this.#kernelLogPath, "a"));
    const state = new SharedState();
    const workerData: WorkerStart = {
      name: "recorder",
      epoch: this.#board.nextEpoch("recorder"),
      mailBefore: 0,
      board: this.#board.memory,
      order: state.order,
      memoryRing: state.memoryRing,
      processRing: state.processRing,
      usageRing: state.usageRing,
      detailRing: state.detailRing,
      resourceRings: state.resourceRings,
      rescueOrders: state.rescueOrders,
      journalPath: "/nonexistent",
      leversDirectory: null,
      knownCgroups: [],
      dataset: null,
      descriptors,
      roots: HOST_ROOTS,
      policy: loadPolicy(),
      idPrefix: "test",
      units: systemUnits(),
      auditPath: this.#auditPath,
    };
    const built = path.join(projectRoot, "dist/src/workers/recorder/worker.js");
    this.#worker = new Worker(pathToFileURL(built), { workerData });
    this.#worker.on("message", ({ message }: Envelope) => this.sent.push(message));
    this.#exited = new Promise((resolve) => this.#worker.once("exit", () => resolve()));
    context.onTestFinished(async () => {
      await this.stop();
      for (const each of Object.values(descriptors)) if (each >= 0) closeDescriptor(each);
    });
  }

  post(message: Message): void {
    this.#worker.postMessage({ to: "recorder", message } satisfies Envelope);
    this.#board.addMail("recorder");
  }

  /** Once: after it, all that was posted is written. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.post({ type: "stop" });
    await within("the recorder to end", this.#exited);
  }

  get audit(): Line[] {
    return fs.existsSync(this.#auditPath) ? parseLines(fs.readFileSync(this.#auditPath, "utf8")) : [];
  }

  get kernelLog(): string[] {
    return fs.readFileSync(this.#kernelLogPath, "utf8").split("\n").filter(Boolean);
  }
}

function report(id: number, changes: Partial<ResourceReport> = {}): ResourceReport {
  return {
    id: `t-${id}`,
    resource: "disk",
    subject: "/var",
    verb: "reclaim",
    target: "2 files",
    victims: [],
    outcome: "done",
    why: "3 % available",
    before: { availableBytes: 1024 },
    after: { availableBytes: 4096 },
    steps: [],
    candidates: [],
    wallMs: Date.UTC(2026, 10, 20) + id,
    tookMs: 1,
    dryRun: false,
    ...changes,
  };
}

test("all of it is in the audit log; of the same again and again the first is said", async (context) => {
  const recorder = new RecorderThread(context);
  const change: ResourceChange = {
    resource: "disk",
    subject: "/var",
    level: "critical",
    change: "began",
    atUs: 5,
    numbers: { availableBytes: 1024 },
  };
  recorder.post({ type: "resource-level", change });
  recorder.post({ type: "names", resource: "disk", appeared: [], gone: [] });
  for (let i = 0; i < 50; i++) recorder.post({ type: "resource-report", report: report(i) });
  // Another outcome, another subject, and the same after the quiet time, are said.
  recorder.post({ type: "resource-report", report: report(60, { outcome: "failed" }) });
  recorder.post({ type: "resource-report", report: report(61, { subject: "/" }) });
  recorder.post({ type: "resource-report", report: report(10_000) });
  await waitFor("all lines", () => recorder.audit.length === 54);
  await recorder.stop();
  expect(recorder.audit[0]).toMatchObject({ event: "level", resource: "disk", subject: "/var" });
  const ids = recorder.audit.slice(1).map(({ event, id }) => [event, id]);
  expect(ids).toEqual(
    [...Array.from({ length: 50 }, (_, i) => i), 60, 61, 10_000].map((i) => ["action", `t-${i}`]),
  );
  expect(recorder.kernelLog.map((line) => /\(id (.*)\)$/.exec(line)?.[1] ?? line)).toEqual([
    "<29>plimsoll: disk /var critical began: available 1.00 KiB",
    "t-0",
    "t-60",
    "t-61",
    "t-10000",
  ]);
  expect(recorder.kernelLog[1]).toBe(
    "<28>plimsoll: disk /var: 3 % available; reclaim 2 files: done; available 1.00 KiB -> 4.00 KiB (id t-0)",
  );
  const said = recorder.sent.flatMap((message) => (message.type === "log" ? [message] : []));
  expect(said.map(({ severity }) => severity)).toEqual(["info", "warn", "warn", "warn", "warn"]);
  expect(said.map(({ text }) => text)).toEqual(
    recorder.kernelLog.map((line) => line.replace(/^<\d+>plimsoll: /, "")),
  );
});

test("the kernel log's priority is by outcome, and a dry run's is no warning", async (context) => {
  const recorder = new RecorderThread(context);
  const outcomes: readonly ResourceOutcome[] = ["ended", "failed", "partly", "released", "dry-run"];
  outcomes.forEach((outcome, i) =>
    recorder.post({ type: "resource-report", report: report(i, { outcome }) }),
  );
  recorder.post({
    type: "resource-report",
    report: report(9, { verb: "down", outcome: "ended", dryRun: true }),
  });
  // Last of all, what is said aloud.
  await waitFor("all lines", () => recorder.kernelLog.length === 6);
  // Facility daemon (3 << 3), and critical 2, warning 4, notice 5 (syslog(3)).
  expect(recorder.kernelLog.map((line) => line.slice(0, 4))).toEqual([
    "<26>",
    "<26>",
    "<28>",
    "<29>",
    "<29>",
    "<29>",
  ]);
});

test("victims bear their names: those that were announced, and those that the kernel still knows", async (context) => {
  const recorder = new RecorderThread(context);
  const identity = { pid: 77, startTicks: 5, commandLine: null, uid: null, cgroup: null, name: "burner" };
  recorder.post({ type: "identities", identities: [identity] });
  const stat = fs.readFileSync(`/proc/${process.pid}/stat`, "utf8");
  const startTicks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  const victims = [
    { pid: 77, startTicks: 5 },
    { pid: process.pid, startTicks },
    // That pid's process is another one now.
    { pid: process.pid, startTicks: startTicks + 1 },
  ];
  recorder.post({ type: "resource-report", report: report(1, { victims }) });
  const line = await waitFor("the line", () => recorder.audit[0]);
  const comm = fs.readFileSync(`/proc/${process.pid}/comm`, "utf8").trimEnd();
  expect((line["victims"] as { name: string | null }[]).map(({ name }) => name)).toEqual([
    "burner",
    comm,
    null,
  ]);
});
