import { libc } from "./libc.ts";

export const PollEvent = { in: 1, priority: 2, error: 8, hangUp: 16, invalid: 32 } as const;

const ENTRY_BYTES = 8;
const EINTR = 4;

/** A set of descriptors to wait for: poll(2), with its array allocated once. A negative descriptor is passed over. */
export class PollSet {
  readonly #entries: Buffer;
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#entries = Buffer.alloc(capacity * ENTRY_BYTES);
    for (let i = 0; i < capacity; i++) this.set(i, -1, 0);
  }

  set(index: number, descriptor: number, events: number): void {
    this.#entries.writeInt32LE(descriptor, index * ENTRY_BYTES);
    this.#entries.writeInt16LE(events, index * ENTRY_BYTES + 4);
    this.#entries.writeInt16LE(0, index * ENTRY_BYTES + 6);
  }

  /**
   * Blocks the thread until something happens or the time is over.
   * @returns how many descriptors have something; 0 after the time, or a signal
   */
  wait(timeoutMs: number): number {
    const count = libc.pollPlain([this.#entries, this.#capacity, timeoutMs]);
    return count === -1 ? this.#explain() : count;
  }

  /** What a failed wait meant: asked again without waiting, this time for errno. */
  #explain(): number {
    const { value, errnoCode, errnoMessage } = libc.poll([this.#entries, this.#capacity, 0]);
    // A signal came (EINTR), and now nothing is the matter.
    if (value !== -1 || errnoCode === EINTR) return 0;
    throw new Error(`poll: ${errnoMessage}`);
  }

  /** What happened to the index-th descriptor in the last wait. */
  happened(index: number): number {
    return this.#entries.readInt16LE(index * ENTRY_BYTES + 6);
  }
}
