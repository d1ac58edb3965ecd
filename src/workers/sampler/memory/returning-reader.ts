import { Mem } from "../../../core/samples.ts";
import { monotonicUs } from "../../common/clock.ts";
import type { MemoryReader } from "./memory-reader.ts";

/** How often a cgroup that is gone is looked for. */
const LOOK_US = 500_000;

/** What is seen of a scope: its headroom, that nothing limits it, or that it is not there any more. */
export type Sight = "headroom" | "no limit" | "gone";

/** What a frame says of the scope that was read. */
export function sightOf(frame: Float64Array): Sight {
  if (Number.isNaN(frame[Mem.anonBytes] as number)) return "gone";
  return Number.isNaN(frame[Mem.totalBytes] as number) ? "no limit" : "headroom";
}

/**
 * A cgroup's reader that finds the cgroup again: a service that is started anew gets one of the same name, and files
 * held open of the old one never have anything to say again.
 */
export class ReturningReader implements MemoryReader {
  readonly #open: () => MemoryReader;
  #reader: MemoryReader;
  #lookedUs = Number.NEGATIVE_INFINITY;

  /** @throws as `open` does, which is called at once and whenever the cgroup is gone */
  constructor(open: () => MemoryReader) {
    this.#open = open;
    this.#reader = open();
  }

  read(frame: Float64Array, withCounters?: boolean): void {
    this.#reader.read(frame, withCounters);
    if (sightOf(frame) !== "gone") return;
    const nowUs = monotonicUs();
    if (nowUs - this.#lookedUs < LOOK_US) return;
    this.#lookedUs = nowUs;
    let found: MemoryReader;
    try {
      found = this.#open();
    } catch {
      return;
    }
    this.#reader.close();
    this.#reader = found;
    found.read(frame);
  }

  close(): void {
    this.#reader.close();
  }
}
