import { APP_MEASURES, type ApplicationsPolicy, type MeasurePolicy } from "../policy/applications.ts";
import { Mem } from "../samples.ts";

/** Where a level of some application begins, in what is left of it: a column of a sample, and how much is left there. */
interface Line {
  readonly kind: "available" | "free" | "allocated";
  readonly leftShare: number;
}

/**
 * The lines of all applications, as the sampler of memory sees them: how far it is to the next one, and whether one was
 * crossed. Looked at with every sample: allocates nothing.
 */
export class AppLines {
  readonly #lines: readonly Line[];
  /** On which side of each line the last sample was. */
  readonly #crossed: Uint8Array;
  /** How much can be used until the next line is reached; Infinity: none lies ahead. */
  distanceBytes = Number.POSITIVE_INFINITY;

  constructor(policy: ApplicationsPolicy) {
    const lines: Line[] = [];
    if (policy.enabled)
      for (const application of policy.applications)
        for (const measure of APP_MEASURES)
          for (const line of linesOf(measure, application[measure])) lines.push(line);
    this.#lines = lines;
    this.#crossed = new Uint8Array(lines.length);
  }

  /** Takes a sample in. @returns whether a line was crossed since the one before, in either direction */
  take(frame: Float64Array): boolean {
    let changed = false;
    this.distanceBytes = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#lines.length; i++) {
      const distance = distanceTo(this.#lines[i] as Line, frame);
      // Where a figure is not known, nothing is crossed.
      if (Number.isNaN(distance)) continue;
      const crossed = distance <= 0 ? 1 : 0;
      if (crossed !== this.#crossed[i]) changed = true;
      this.#crossed[i] = crossed;
      if (crossed === 0 && distance < this.distanceBytes) this.distanceBytes = distance;
    }
    return changed;
  }
}

function linesOf(measure: "physical" | "allocated", policy: MeasurePolicy | null): Line[] {
  if (policy === null) return [];
  const kind = measure === "allocated" ? measure : policy.basis;
  return [policy.warningShare, policy.criticalShare].map((share) => ({ kind, leftShare: 1 - share }));
}

function distanceTo({ kind, leftShare }: Line, frame: Float64Array): number {
  if (kind === "allocated") {
    const limitBytes = frame[Mem.commitLimitBytes] as number;
    return limitBytes > 0 ? limitBytes * (1 - leftShare) - (frame[Mem.committedBytes] as number) : Number.NaN;
  }
  const poolBytes = frame[Mem.hugePagesBytes] as number;
  const totalBytes = (frame[Mem.totalBytes] as number) + (poolBytes > 0 ? poolBytes : 0);
  const leftBytes = frame[kind === "free" ? Mem.freeBytes : Mem.availableBytes] as number;
  return leftBytes - totalBytes * leftShare;
}
