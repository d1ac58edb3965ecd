import type { LevelName } from "../policy/policy.ts";
import type { Figures } from "../resources/resource.ts";
import type { ResourceStatus } from "../resources/report.ts";
import type { VmVerb } from "./action.ts";
import { Machines } from "./machines.ts";

/** What the machines' part needs to know of memory: as the last sample of it had it. */
export interface MemoryView {
  /** CLOCK_MONOTONIC of the sample. */
  readonly atUs: number;
  /** The worst level that stands. */
  readonly level: LevelName | null;
  /** A process is being acted on. */
  readonly busy: boolean;
  readonly availableBytes: number;
  /** So much has to stay available when a machine is started again. */
  readonly reserveBytes: number;
}

interface InFlight {
  readonly id: string;
  readonly verb: VmVerb;
  /** Whom it is about. */
  readonly machineId: string;
  /** After this no report is waited for any more: whoever should have sent it is gone. */
  readonly untilUs: number;
}

/** What the analysis of machines remembers from step to step. */
export class VmState {
  readonly machines = new Machines();
  readonly idPrefix: string;
  sequence = 0;
  inFlight: InFlight | null = null;
  memory: MemoryView | null = null;
  /** Since when memory is at the policy's level, NaN: it is not; and since when no level of it stands. */
  pressedSinceUs = Number.NaN;
  memoryCalmSinceUs = Number.NaN;
  /** Since when the wait of processes for machines counts: it is for as long as one hibernation may take. */
  heldSinceUs = Number.NaN;
  cpuPressure = false;
  /** Also from the start on: what an earlier guard left frozen goes on when this one has seen calm for long enough. */
  cpuCalmSinceUs: number;
  /** When the last action ended; and when machines were last looked at. */
  lastReportUs = Number.NEGATIVE_INFINITY;
  lastLookUs = Number.NEGATIVE_INFINITY;
  /** The thread that sees machines has said what there is. */
  isKnown = false;
  readonly lastActions = new Map<string, NonNullable<ResourceStatus["lastAction"]>>();

  constructor(idPrefix: string, startUs: number) {
    this.idPrefix = idPrefix;
    this.cpuCalmSinceUs = startUs;
  }

  nextId(): string {
    return `${this.idPrefix}-vm-${++this.sequence}`;
  }

  get figures(): Figures {
    return { availableBytes: this.memory === null ? null : orNull(this.memory.availableBytes) };
  }
}

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
