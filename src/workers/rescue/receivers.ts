import path from "node:path";
import type { CgroupIdentity } from "../../core/cgroups/columns.ts";
import { emptyRescueOrder, type RescueBoard, RESCUE_SLOTS } from "../../core/rescue/board.ts";
import type { RescueOrder } from "../../core/rescue/order.ts";
import type { MemoryHierarchy } from "../common/cgroup-path.ts";
import { Donor } from "./donor.ts";
import { isSameCgroup, type Receiver } from "./receiver.ts";
import { ReceiverV1 } from "./receiver-v1.ts";
import { ReceiverV2 } from "./receiver-v2.ts";

/** A standing order and the cgroup that it is for. */
export interface Slot {
  readonly index: number;
  readonly order: RescueOrder;
  sequence: number;
  receiver: Receiver | null;
}

export interface SlotEvents {
  /** A receiver has been opened: it is to be armed. */
  readonly opened: (slot: Slot) => void;
  /** It is let go: it is to be disarmed; closed afterwards. */
  readonly closing: (slot: Slot) => void;
  /** A cgroup that could give, or has given, is no more. */
  readonly donorGone: (donor: Donor) => void;
}

/** Who may receive and who may give, as the standing orders say, with their files open. */
export class Receivers {
  readonly slots: readonly Slot[] = Array.from({ length: RESCUE_SLOTS }, (_, index) => ({
    index,
    order: emptyRescueOrder(),
    sequence: 0,
    receiver: null,
  }));
  readonly #hierarchy: MemoryHierarchy;
  readonly #board: RescueBoard;
  readonly #events: SlotEvents;
  readonly #identities = new Map<number, CgroupIdentity>();
  readonly #donors = new Map<number, Donor>();

  constructor(hierarchy: MemoryHierarchy, board: RescueBoard, events: SlotEvents) {
    this.#hierarchy = hierarchy;
    this.#board = board;
    this.#events = events;
  }

  identity(number: number): CgroupIdentity | null {
    return this.#identities.get(number) ?? null;
  }

  /** The cgroup as one that gives, its files opened when it was first named. Null: it is gone, or not permitted. */
  donor(number: number): Donor | null {
    const known = this.#donors.get(number);
    if (known !== undefined) return known;
    const identity = this.#identities.get(number);
    if (identity === undefined) return null;
    const directory = this.directoryOf(identity);
    try {
      if (!isSameCgroup(directory, identity.inode)) return null;
      const donor = new Donor(identity, directory, this.#hierarchy.version);
      this.#donors.set(number, donor);
      return donor;
    } catch {
      return null;
    }
  }

  slotOf(number: number): Slot | null {
    return this.slots.find(({ receiver }) => receiver?.identity.number === number) ?? null;
  }

  directoryOf(identity: CgroupIdentity): string {
    return path.join(this.#hierarchy.root, identity.path);
  }

  takeIdentities(appeared: readonly CgroupIdentity[], gone: readonly number[]): void {
    for (const identity of appeared) this.#identities.set(identity.number, identity);
    for (const number of gone) {
      this.#identities.delete(number);
      const donor = this.#donors.get(number);
      if (donor !== undefined) this.#events.donorGone(donor);
      donor?.close();
      this.#donors.delete(number);
      const slot = this.slotOf(number);
      if (slot !== null) this.letGo(slot);
    }
  }

  /** Reads the orders that have been written since the last time. @returns whether the descriptors to wait for changed */
  takeOrders(): boolean {
    let changed = false;
    for (const slot of this.slots) {
      const sequence = this.#board.sequence(slot.index);
      if (sequence === slot.sequence || !this.#board.read(slot.index, slot.order)) continue;
      slot.sequence = sequence;
      for (const { number } of slot.order.donors) this.donor(number);
      if (slot.receiver?.identity.number !== slot.order.number) {
        if (slot.receiver !== null) this.letGo(slot);
        if (slot.order.number !== 0) this.#open(slot);
        changed = true;
      }
    }
    return changed;
  }

  /** An order came before the letter that says whose it is: it is looked at again. */
  takeMissing(): boolean {
    let changed = false;
    for (const slot of this.slots) {
      if (slot.receiver !== null || slot.order.number === 0) continue;
      this.#open(slot);
      changed ||= slot.receiver !== null;
    }
    return changed;
  }

  letGo(slot: Slot): void {
    if (slot.receiver === null) return;
    this.#events.closing(slot);
    slot.receiver.close();
    slot.receiver = null;
  }

  #open(slot: Slot): void {
    const identity = this.#identities.get(slot.order.number);
    if (identity === undefined) return;
    const directory = this.directoryOf(identity);
    try {
      if (!isSameCgroup(directory, identity.inode)) return;
      slot.receiver =
        this.#hierarchy.version === 1
          ? new ReceiverV1(identity, directory)
          : new ReceiverV2(identity, directory);
    } catch {
      // Gone in between, or not permitted; the next order brings it back if it is there.
      return;
    }
    this.#events.opened(slot);
  }

  close(): void {
    for (const slot of this.slots) this.letGo(slot);
    for (const donor of this.#donors.values()) donor.close();
  }
}
