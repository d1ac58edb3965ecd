import fs from "node:fs";
import { libc } from "./libc.ts";
import { orThrow } from "./system-error.ts";

const CLOCK_MONOTONIC = 1;
const CLOEXEC = 0o2000000;
const NONBLOCK = 0o4000;
const US_PER_S = 1_000_000;

/** A periodic clock that counts the ticks nobody waited for: timerfd_create(2), CLOCK_MONOTONIC. */
export class Timer {
  readonly descriptor: number;
  readonly #setting = Buffer.alloc(32);
  readonly #ticks = Buffer.alloc(8);

  private constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /** @param waits whether {@link wait} blocks; false for use in a poll set */
  static create(waits: boolean): Timer {
    const flags = waits ? CLOEXEC : CLOEXEC | NONBLOCK;
    return new Timer(orThrow("timerfd_create", libc.timerfdCreate([CLOCK_MONOTONIC, flags])));
  }

  /** A timer that another thread made; it may be set, and waited for, here. */
  static adopt(descriptor: number): Timer {
    return new Timer(descriptor);
  }

  /** Ticks every `intervalUs`, first after `firstUs` (at least 1). An interval of 0 ticks once. */
  set(intervalUs: number, firstUs: number): void {
    this.#writeTime(0, intervalUs);
    this.#writeTime(16, Math.max(1, firstUs));
    orThrow("timerfd_settime", libc.timerfdSettime([this.descriptor, 0, this.#setting, this.#setting]));
  }

  /** Waits for the next tick. @returns how many ticks there were since the last call, 0 when it does not wait */
  wait(): number {
    try {
      fs.readSync(this.descriptor, this.#ticks, 0, 8, null);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
      throw error;
    }
    return this.#ticks.readUInt32LE(0);
  }

  #writeTime(at: number, us: number): void {
    const seconds = Math.floor(us / US_PER_S);
    this.#setting.writeUInt32LE(seconds, at);
    this.#setting.writeUInt32LE(0, at + 4);
    this.#setting.writeUInt32LE(Math.round(us - seconds * US_PER_S) * 1000, at + 8);
    this.#setting.writeUInt32LE(0, at + 12);
  }
}
