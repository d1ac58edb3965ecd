import { cgroupNumber } from "../../core/cgroups/number.ts";
import type { NamedThing } from "../../core/resources/resource.ts";
import { RingWriter } from "../../core/ring/writer.ts";
import type { SharedRing } from "../../core/ring/views.ts";
import type { Held, MachineRef } from "../../core/vm/action.ts";
import { VM_COLUMNS, Vm } from "../../core/vm/columns.ts";
import { aboutMachine } from "../../core/vm/machines.ts";

/** A machine as it was just seen. */
export interface Seen extends MachineRef {
  readonly name: string;
  /** virDomainState. */
  readonly state: number;
  readonly memoryBytes: number | null;
  readonly residentBytes: number | null;
  readonly cpuUs: number | null;
  readonly processors: number | null;
  readonly held: Held;
  readonly heldBytes: number | null;
}

interface Entry {
  readonly number: number;
  /** What was announced of it. */
  readonly said: string;
}

/** Who the machines are by number, and the ring that their figures go into. */
export class MachineBook {
  readonly #ring: RingWriter;
  readonly #row = new Float64Array(VM_COLUMNS.length);
  readonly #epoch: number;
  readonly #announce: (appeared: readonly NamedThing[], gone: readonly number[]) => void;
  #entries = new Map<string, Entry>();
  #count = 0;
  #hasSpoken = false;

  constructor(
    ring: SharedRing,
    epoch: number,
    announce: (appeared: readonly NamedThing[], gone: readonly number[]) => void,
  ) {
    this.#ring = new RingWriter(ring);
    this.#epoch = epoch;
    this.#announce = announce;
  }

  /** Announces what is new, otherwise or gone, and writes a row each. */
  write(nowUs: number, machines: readonly Seen[]): void {
    const before = this.#entries;
    const appeared: NamedThing[] = [];
    this.#entries = new Map();
    for (const machine of machines) {
      const known = before.get(machine.id);
      const about = aboutMachine(machine, machine.held, machine.heldBytes);
      const said = JSON.stringify([machine.name, about]);
      const number = known?.number ?? cgroupNumber(this.#epoch, this.#count++);
      this.#entries.set(machine.id, { number, said });
      if (known?.said !== said) appeared.push({ number, name: machine.name, about });
    }
    const gone = [...before].filter(([id]) => !this.#entries.has(id)).map(([, { number }]) => number);
    // Before the rows: whoever reads them is to know whose they are.
    if (appeared.length > 0 || gone.length > 0 || !this.#hasSpoken) this.#announce(appeared, gone);
    // That there is none is worth saying once.
    this.#hasSpoken = true;
    for (const machine of machines) this.#append(nowUs, machine);
    this.#ring.commit();
  }

  /** The next {@link write} announces all again. */
  forgetAnnounced(): void {
    for (const [id, { number }] of this.#entries) this.#entries.set(id, { number, said: "" });
    this.#hasSpoken = false;
  }

  #append(nowUs: number, machine: Seen): void {
    const row = this.#row;
    row[Vm.timeUs] = nowUs;
    row[Vm.machine] = this.#entries.get(machine.id)?.number ?? Number.NaN;
    row[Vm.state] = machine.state;
    row[Vm.memoryBytes] = machine.memoryBytes ?? Number.NaN;
    row[Vm.residentBytes] = machine.residentBytes ?? Number.NaN;
    row[Vm.cpuUs] = machine.cpuUs ?? Number.NaN;
    row[Vm.processors] = machine.processors ?? Number.NaN;
    this.#ring.put(row);
  }
}
