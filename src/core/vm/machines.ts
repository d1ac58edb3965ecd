import { lifeOfCgroup } from "../cgroups/number.ts";
import type { NamedThing } from "../resources/resource.ts";
import { Vm } from "./columns.ts";
import type { Held, MachineRef, VmVerb } from "./action.ts";

/** virDomainState (libvirt-domain.h). */
export const DomainState = { none: 0, running: 1, blocked: 2, paused: 3, shutOff: 5 } as const;

/** A machine as the analysis knows it. */
export interface Machine extends MachineRef {
  readonly number: number;
  readonly name: string;
  readonly held: Held;
  /** What it used when the guard hibernated it; null: not known, or not hibernated. */
  readonly heldBytes: number | null;
  /** When it was looked at last, CLOCK_MONOTONIC; NaN before the first look. The figures are of then. */
  timeUs: number;
  state: number;
  memoryBytes: number | null;
  residentBytes: number | null;
  cpuUs: number | null;
  /** Processors that it used between the last two looks; null: not known. */
  cores: number | null;
  /** Until when something is not tried again, because it was refused. */
  readonly refused: Partial<Record<VmVerb, number>>;
}

/** Names of a machine that its announcement carries, and back: what only the thread that speaks to libvirt knows. */
export function aboutMachine(ref: MachineRef, held: Held, heldBytes: number | null): NamedThing["about"] {
  return {
    source: ref.source,
    id: ref.id,
    held: held ?? "",
    heldBytes: heldBytes === null ? "" : String(heldBytes),
  };
}

const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value);

/** All machines there are, kept up with names and rows as they come. */
export class Machines {
  readonly #byNumber = new Map<number, Machine>();
  #life = 0;

  get all(): Iterable<Machine> {
    return this.#byNumber.values();
  }

  /** Whether each that is named has been looked at. */
  get allSeen(): boolean {
    for (const { timeUs } of this.all) if (Number.isNaN(timeUs)) return false;
    return true;
  }

  /** Takes an announcement in. What an earlier life of the announcing thread numbered is no more when a later speaks. */
  takeNames(appeared: readonly NamedThing[], gone: readonly number[]): void {
    for (const number of gone) this.#byNumber.delete(number);
    const refusals = new Map<string, Machine["refused"]>();
    for (const thing of appeared) {
      const life = lifeOfCgroup(thing.number);
      if (life !== this.#life) {
        for (const machine of this.all) refusals.set(machine.id, machine.refused);
        this.#byNumber.clear();
        this.#life = life;
      }
      this.#byNumber.set(thing.number, this.#machineOf(thing, refusals));
    }
  }

  #machineOf(
    { number, name, about }: NamedThing,
    refusals: ReadonlyMap<string, Machine["refused"]>,
  ): Machine {
    const before = this.#byNumber.get(number);
    const { source, id = "", held, heldBytes } = about;
    const known = before?.id === id ? before : null;
    return {
      number,
      name,
      id,
      source: source === "cgroup" ? "cgroup" : "libvirt",
      held: held === "frozen" || held === "hibernated" ? held : null,
      heldBytes: heldBytes === undefined || heldBytes === "" ? null : Number(heldBytes),
      timeUs: known?.timeUs ?? Number.NaN,
      state: known?.state ?? DomainState.none,
      memoryBytes: known?.memoryBytes ?? null,
      residentBytes: known?.residentBytes ?? null,
      cpuUs: known?.cpuUs ?? null,
      cores: known?.cores ?? null,
      refused: known?.refused ?? refusals.get(id) ?? {},
    };
  }

  /** Takes one look at one machine in (columns of {@link Vm}). @returns it; null: nobody has named it */
  takeRow(row: Float64Array): Machine | null {
    const machine = this.#byNumber.get(row[Vm.machine] as number);
    if (machine === undefined) return null;
    const timeUs = row[Vm.timeUs] as number;
    const cpuUs = orNull(row[Vm.cpuUs] as number);
    const tookUs = timeUs - machine.timeUs;
    // One that was started anew counts from nothing.
    const known = cpuUs !== null && machine.cpuUs !== null && tookUs > 0 && cpuUs >= machine.cpuUs;
    machine.cores = known ? (cpuUs - (machine.cpuUs as number)) / tookUs : null;
    machine.timeUs = timeUs;
    machine.state = row[Vm.state] as number;
    machine.memoryBytes = orNull(row[Vm.memoryBytes] as number);
    machine.residentBytes = orNull(row[Vm.residentBytes] as number);
    machine.cpuUs = cpuUs;
    return machine;
  }

  byId(id: string): Machine | null {
    for (const machine of this.all) if (machine.id === id) return machine;
    return null;
  }
}

export function isRunning(machine: Machine): boolean {
  return machine.state === DomainState.running || machine.state === DomainState.blocked;
}

/** What the host would have back, as far as it is known; 0: nothing is. */
export function usedBytes(machine: Pick<Machine, "residentBytes" | "memoryBytes">): number {
  return machine.residentBytes ?? machine.memoryBytes ?? 0;
}
