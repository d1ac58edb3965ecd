import { DETAIL_COLUMNS, USAGE_COLUMNS } from "../../core/cgroups/columns.ts";
import type { Manifest } from "../../core/dataset/manifest.ts";
import type { Recordable } from "../../core/dataset/tables.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { RescueBoard } from "../../core/rescue/board.ts";
import type { Column } from "../../core/ring/layout.ts";
import { createRing, type SharedRing } from "../../core/ring/views.ts";
import { MEMORY_COLUMNS, PROCESS_COLUMNS } from "../../core/samples.ts";
import { Board, Gauge, type WorkerName } from "../../core/shared/board.ts";
import { OrderBoard } from "../../core/shared/order.ts";
import { createEvent } from "../../native/event.ts";
import { systemUnits } from "../../native/system.ts";
import { Timer } from "../../native/timer.ts";
import { readManifestFile, writeManifest } from "../../workers/common/manifest-file.ts";
import type { HostRoots } from "../../workers/common/roots.ts";
import type { SharedDescriptors, WorkerStart } from "../../workers/common/worker.ts";
import { Crew } from "../coordinator/crew.ts";
import type { Log } from "../coordinator/log.ts";
import { ThreadWatch } from "../coordinator/thread-watch.ts";
import { createResourceRings, wakeWorker } from "../coordinator/shared-state.ts";
import { firstManifest } from "./first-manifest.ts";
import { intervalsMs, type RecordRequest } from "./policy.ts";
import type { Figures } from "./progress.ts";
import { rowsPerTick } from "./things.ts";

/** What is to be recorded, and where. */
export interface RecordingOptions {
  readonly directory: string;
  readonly request: RecordRequest;
  /** As the request says: {@link recordingPolicy}. */
  readonly policy: Policy;
  readonly roots: HostRoots;
  /** Cgroups that match now: the rings are made for some more. */
  readonly cgroups: number;
  readonly log: Log;
}

/** The dataset's thread writes what is left, and has the kernel write it to the disk. */
const STOP_LIMIT_MS = 60_000;
/** Of a ring's segments one holds about half a second of rows, so that all hold some seconds of a disk that is slow. */
const SEGMENTS = 16;
const SEGMENT_S = 0.5;
const ROWS_MIN = 512;
/** No segment is larger than this, whatever is asked for. */
const SEGMENT_BYTES_MAX = 8 * 1024 * 1024;
/** Cgroups that appear later have room too. */
const ROOM_FACTOR = 1.5;

/** The threads that it takes. The cgroup sampler samples memory too, at the same ticks. */
function workersFor(recorded: readonly Recordable[]): WorkerName[] {
  const has = (...these: readonly Recordable[]): boolean => these.some((each) => recorded.includes(each));
  return [
    ...(has("cgroups") ? (["cgroups"] as const) : []),
    ...(has("memory") && !has("cgroups") ? (["memory"] as const) : []),
    ...(has("cpu", "disk", "io", "net") ? (["host"] as const) : []),
    ...(has("vm") ? (["vm"] as const) : []),
    ...(has("app") ? (["app"] as const) : []),
    "dataset",
  ];
}

/** A recording: samplers and the thread that writes what they sample. */
export class Recording {
  readonly #board = new Board();
  readonly #options: RecordingOptions;
  readonly #crew: Crew;
  readonly #shared: Omit<WorkerStart, "name" | "epoch" | "mailBefore">;
  #gaps = 0;

  constructor(options: RecordingOptions) {
    this.#options = options;
    this.#shared = sharedStart(options, this.#board);
    const watch = new ThreadWatch(this.#board, options.roots.proc, systemUnits().ticksPerSecond);
    this.#crew = new Crew(this.#board, watch, {
      startOf: (name, epoch, mailBefore) => ({ ...this.#shared, name, epoch, mailBefore }),
      onMessage: (_, message) => {
        if (message.type === "log") options.log[message.severity](message.text);
      },
      onGap: (worker, why, _, restartedAfterMs) => {
        this.#gaps++;
        options.log.error(`the ${worker} thread ${why}; started again after ${restartedAfterMs} ms`);
      },
      onRestarted: (worker, unread) => {
        this.#restarted(worker);
        return unread;
      },
      onRelay: () => undefined,
      wake: (worker) => this.#wake(worker),
    });
  }

  /** Begins. @throws Error when the directory cannot be written, or a thread fails to start */
  async start(): Promise<void> {
    const { directory, request, roots } = this.#options;
    const { recorded: resources, intervalMs, statEvery, patterns } = request;
    const recorded = { resources, intervalMs, intervalsMs: intervalsMs(request), statEvery, patterns };
    writeManifest(directory, firstManifest(recorded, roots), true);
    await this.#crew.start(workersFor(resources));
  }

  get figures(): Figures {
    const { recorded } = this.#options.request;
    const gauge = (index: number): number => this.#board.gauge(index);
    return {
      rows: gauge(Gauge.datasetRows),
      bytes: gauge(Gauge.datasetBytes),
      lostRows: gauge(Gauge.datasetLostRows),
      cgroups: recorded.includes("cgroups") ? gauge(Gauge.datasetCgroups) : null,
      missedTicks: gauge(Gauge.missedTicks) + gauge(Gauge.hostMissedTicks),
      gaps: this.#gaps,
    };
  }

  /** Ends it. @returns the manifest as it stands on the disk */
  async stop(): Promise<Manifest> {
    await this.#crew.stop(STOP_LIMIT_MS, STOP_LIMIT_MS);
    return readManifestFile(this.#options.directory);
  }

  #wake(worker: WorkerName): void {
    const { descriptors } = this.#shared;
    // It waits for nothing but its clock, which may be slow.
    if (worker === "memory")
      Timer.adopt(descriptors.samplerTimer).set(this.#options.request.intervalMs * 1000, 1);
    else wakeWorker(worker, descriptors, this.#board);
  }

  /** A letter that the dataset's thread had taken and not yet written died with it: the samplers say it all again. */
  #restarted(worker: WorkerName): void {
    if (worker !== "dataset") return;
    const { policy } = this.#options;
    for (const name of ["cgroups", "host", "vm", "app"] as const)
      this.#crew.post(name, { type: "policy", policy });
  }
}

function sharedStart(
  options: RecordingOptions,
  board: Board,
): Omit<WorkerStart, "name" | "epoch" | "mailBefore"> {
  const { policy } = options;
  const ticksPerSecond = 1000 / options.request.intervalMs;
  const perTick = rowsPerTick(options.roots.proc);
  const usageRows = options.cgroups * ROOM_FACTOR * ticksPerSecond;
  return {
    board: board.memory,
    order: new OrderBoard().memory,
    memoryRing: ringFor(MEMORY_COLUMNS, ticksPerSecond),
    processRing: createRing({ columns: PROCESS_COLUMNS, rowsPerSegment: 1, segments: 2 }),
    usageRing: ringFor(USAGE_COLUMNS, usageRows),
    detailRing: ringFor(DETAIL_COLUMNS, usageRows / policy.cgroups.statEvery),
    resourceRings: createResourceRings((columns, resource) =>
      ringFor(columns, perTick[resource] * ROOM_FACTOR * ticksPerSecond),
    ),
    rescueOrders: new RescueBoard().memory,
    journalPath: "",
    leversDirectory: null,
    knownCgroups: [],
    dataset: {
      directory: options.directory,
      limitBytes: Number.POSITIVE_INFINITY,
      only: true,
    },
    descriptors: openDescriptors(),
    roots: options.roots,
    policy,
    idPrefix: "",
    units: systemUnits(),
    auditPath: null,
  };
}

function ringFor(columns: readonly Column[], rowsPerSecond: number): SharedRing {
  // Values and validity bits; the widest type counts for all.
  const rowBytes = columns.length * 8.125;
  const rowsMax = Math.floor(SEGMENT_BYTES_MAX / rowBytes);
  const rowsPerSegment = Math.min(rowsMax, Math.max(ROWS_MIN, Math.ceil(rowsPerSecond * SEGMENT_S)));
  return createRing({ columns, rowsPerSegment, segments: SEGMENTS });
}

/** What the samplers wait in; the rest of the guard's descriptors are not there. */
function openDescriptors(): SharedDescriptors {
  const absent = -1;
  return {
    samplerTimer: Timer.create(true).descriptor,
    cgroupsTimer: Timer.create(true).descriptor,
    sentinelEvent: absent,
    processesEvent: absent,
    cgroupsEvent: createEvent(),
    actionEvent: absent,
    rescueEvent: absent,
    hostEvent: createEvent(),
    netEvent: absent,
    appEvent: createEvent(),
    hostTimer: Timer.create(true).descriptor,
    helperInput: absent,
    helperOutput: absent,
    kernelLog: absent,
  };
}
