import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { CGROUP_SEGMENTS, DETAIL_COLUMNS, USAGE_COLUMNS } from "../../src/core/cgroups/columns.ts";
import type { Envelope, Message } from "../../src/core/messages.ts";
import type { CgroupsPolicy, Policy, RescuePolicy } from "../../src/core/policy/policy.ts";
import type { Column } from "../../src/core/ring/layout.ts";
import { RingReader } from "../../src/core/ring/reader.ts";
import { createRing, type SharedRing } from "../../src/core/ring/views.ts";
import { MEMORY_COLUMNS } from "../../src/core/samples.ts";
import { Board } from "../../src/core/shared/board.ts";
import { loadPolicy } from "../../src/main/config/load-policy.ts";
import { openDescriptors, SharedState } from "../../src/main/coordinator/shared-state.ts";
import { closeDescriptor } from "../../src/native/descriptor.ts";
import { raiseEvent } from "../../src/native/event.ts";
import { systemUnits } from "../../src/native/system.ts";
import { HOST_ROOTS, type HostRoots } from "../../src/workers/common/roots.ts";
import type { SharedDescriptors, WorkerStart } from "../../src/workers/common/worker.ts";
import { projectRoot } from "../programs/build.ts";

type CgroupsMessage = Extract<Message, { type: "cgroups" }>;

export interface SamplerSetup {
  readonly cgroups?: Partial<CgroupsPolicy>;
  readonly rescue?: Partial<RescuePolicy>;
  readonly scope?: string;
  /** As in `plimsoll record`. */
  readonly record?: boolean;
  readonly rowsPerSegment?: number;
  readonly segments?: number;
  readonly epoch?: number;
  readonly roots?: Partial<HostRoots>;
}

/** The built-in policy with some of it otherwise. */
export function samplerPolicy({ cgroups, rescue, scope }: SamplerSetup): Policy {
  const policy = loadPolicy();
  return {
    ...policy,
    scope: scope ?? "host",
    cgroups: { ...policy.cgroups, ...cgroups },
    rescue: { ...policy.rescue, ...rescue },
  };
}

/** Rows that have been read out of a ring: by column index, NaN for null. */
export class Rows {
  readonly all: Float64Array[] = [];
  readonly reader: RingReader;
  readonly #columns: number;

  constructor(ring: SharedRing) {
    this.reader = new RingReader(ring);
    this.#columns = ring.shape.columns.length;
  }

  /** Reads what is new. */
  take(): Float64Array[] {
    for (;;) {
      const row = new Float64Array(this.#columns);
      if (!this.reader.next(row)) return this.all;
      this.all.push(row);
    }
  }
}

/** The cgroup sampler as it is built, in a thread of its own, started by hand; nobody else of the guard is there. */
export class SamplerThread {
  readonly board = new Board();
  readonly usage: Rows;
  readonly detail: Rows;
  readonly memory: Rows;
  /** All that it sent. */
  readonly sent: Envelope[] = [];
  readonly #descriptors: SharedDescriptors = openDescriptors(null, -1);
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #error: Error | null = null;
  #stopped = false;

  constructor(setup: SamplerSetup) {
    const rows = setup.rowsPerSegment ?? 4096;
    const ring = (columns: readonly Column[]): SharedRing =>
      createRing({ columns, rowsPerSegment: rows, segments: setup.segments ?? CGROUP_SEGMENTS });
    const rings = {
      usageRing: ring(USAGE_COLUMNS),
      detailRing: ring(DETAIL_COLUMNS),
      memoryRing: ring(MEMORY_COLUMNS),
    };
    this.usage = new Rows(rings.usageRing);
    this.detail = new Rows(rings.detailRing);
    this.memory = new Rows(rings.memoryRing);
    let epoch = 0;
    while (epoch < (setup.epoch ?? 1)) epoch = this.board.nextEpoch("cgroups");
    const state = new SharedState();
    const workerData: WorkerStart = {
      name: "cgroups",
      epoch,
      mailBefore: 0,
      board: this.board.memory,
      order: state.order,
      processRing: state.processRing,
      ...rings,
      resourceRings: state.resourceRings,
      rescueOrders: state.rescueOrders,
      journalPath: "/nonexistent",
      leversDirectory: null,
      knownCgroups: [],
      dataset: setup.record === true ? { directory: "/nonexistent", limitBytes: 0, only: true } : null,
      descriptors: this.#descriptors,
      roots: { ...HOST_ROOTS, ...setup.roots },
      policy: samplerPolicy(setup),
      idPrefix: "test",
      units: systemUnits(),
      auditPath: null,
    };
    const built = join(projectRoot, "dist/src/workers/sampler/cgroups/worker.js");
    this.#worker = new Worker(pathToFileURL(built), { workerData });
    this.#worker.on("message", (envelope: Envelope) => this.sent.push(envelope));
    this.#worker.on("error", (error: Error) => (this.#error = error));
    this.#exited = new Promise((resolve) => this.#worker.once("exit", () => resolve()));
  }

  get threadId(): number {
    return this.board.threadId("cgroups");
  }

  /** @throws what the thread threw */
  get ready(): boolean {
    if (this.#error !== null) throw this.#error;
    return this.board.isReady("cgroups");
  }

  /** What it told the analysis about cgroups, the oldest first. */
  get told(): CgroupsMessage[] {
    return this.sent.flatMap(({ to, message }) =>
      to === "analysis" && message.type === "cgroups" ? [message] : [],
    );
  }

  get logged(): string[] {
    return this.sent.flatMap(({ message }) => (message.type === "log" ? [message.text] : []));
  }

  post(message: Message): void {
    this.#worker.postMessage({ to: "cgroups", message } satisfies Envelope);
    this.board.addMail("cgroups");
    raiseEvent(this.#descriptors.cgroupsEvent);
  }

  /** Stops it as the coordinator does, once, and waits until it has ended. @throws what the thread threw */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.post({ type: "stop" });
    await this.#exited;
    for (const descriptor of Object.values(this.#descriptors))
      if (descriptor >= 0) closeDescriptor(descriptor);
    if (this.#error !== null) throw this.#error;
  }
}
