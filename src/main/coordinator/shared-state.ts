import {
  CGROUP_SEGMENTS,
  DETAIL_COLUMNS,
  DETAIL_ROWS_PER_SEGMENT,
  USAGE_COLUMNS,
  USAGE_ROWS_PER_SEGMENT,
} from "../../core/cgroups/columns.ts";
import type { Column } from "../../core/ring/layout.ts";
import { RescueBoard } from "../../core/rescue/board.ts";
import { RESOURCES, type Resource } from "../../core/resources/resource.ts";
import {
  RESOURCE_COLUMNS,
  RESOURCE_ROWS_PER_SEGMENT,
  RESOURCE_SEGMENTS,
} from "../../core/resources/tables.ts";
import { createRing, type SharedRing } from "../../core/ring/views.ts";
import {
  MEMORY_COLUMNS,
  MEMORY_ROWS_PER_SEGMENT,
  MEMORY_SEGMENTS,
  PROCESS_COLUMNS,
  PROCESS_ROWS_PER_SEGMENT,
  PROCESS_SEGMENTS,
} from "../../core/samples.ts";
import type { Board, WorkerName } from "../../core/shared/board.ts";
import { OrderBoard } from "../../core/shared/order.ts";
import { createEvent, raiseEvent } from "../../native/event.ts";
import { Timer } from "../../native/timer.ts";
import type { ResourceRings, SharedDescriptors } from "../../workers/common/worker.ts";
import type { HelperProcess } from "./helper-process.ts";

const ring = (columns: readonly Column[], rowsPerSegment: number, segments: number): SharedRing =>
  createRing({ columns, rowsPerSegment, segments });

/** A ring for each resource. */
export function createResourceRings(
  make: (columns: readonly Column[], resource: Resource) => SharedRing,
): ResourceRings {
  const rings = RESOURCES.map((resource) => [resource, make(RESOURCE_COLUMNS[resource], resource)]);
  return Object.fromEntries(rings) as ResourceRings;
}

/** The memory that the workers share, other than the board. It outlives each of them. */
export class SharedState {
  readonly order = new OrderBoard().memory;
  readonly rescueOrders = new RescueBoard().memory;
  readonly memoryRing = ring(MEMORY_COLUMNS, MEMORY_ROWS_PER_SEGMENT, MEMORY_SEGMENTS);
  readonly processRing = ring(PROCESS_COLUMNS, PROCESS_ROWS_PER_SEGMENT, PROCESS_SEGMENTS);
  readonly usageRing = ring(USAGE_COLUMNS, USAGE_ROWS_PER_SEGMENT, CGROUP_SEGMENTS);
  readonly detailRing = ring(DETAIL_COLUMNS, DETAIL_ROWS_PER_SEGMENT, CGROUP_SEGMENTS);
  readonly resourceRings = createResourceRings((columns) =>
    ring(columns, RESOURCE_ROWS_PER_SEGMENT, RESOURCE_SEGMENTS),
  );
}

/** Clocks and events of the workers. They too outlive each worker. */
export function openDescriptors(helper: HelperProcess | null, kernelLog: number): SharedDescriptors {
  return {
    samplerTimer: Timer.create(true).descriptor,
    cgroupsTimer: Timer.create(true).descriptor,
    sentinelEvent: createEvent(),
    processesEvent: createEvent(),
    cgroupsEvent: createEvent(),
    actionEvent: createEvent(),
    rescueEvent: createEvent(),
    hostEvent: createEvent(),
    netEvent: createEvent(),
    appEvent: createEvent(),
    hostTimer: Timer.create(true).descriptor,
    helperInput: helper?.inputDescriptor ?? -1,
    helperOutput: helper?.outputDescriptor ?? -1,
    kernelLog,
  };
}

/** Has a worker look for letters that waits in poll(2) or on the doorbell; to others they come by themselves. */
export function wakeWorker(worker: WorkerName, descriptors: SharedDescriptors, board: Board): void {
  if (worker === "analysis") return board.ring();
  const events: Partial<Record<WorkerName, number>> = {
    sentinel: descriptors.sentinelEvent,
    rescue: descriptors.rescueEvent,
    processes: descriptors.processesEvent,
    cgroups: descriptors.cgroupsEvent,
    host: descriptors.hostEvent,
    net: descriptors.netEvent,
    app: descriptors.appEvent,
    action: descriptors.actionEvent,
  };
  const event = events[worker];
  if (event !== undefined && event >= 0) raiseEvent(event);
}
