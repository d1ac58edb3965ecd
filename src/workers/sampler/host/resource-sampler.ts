import type { Policy } from "../../../core/policy/policy.ts";
import type { NamedThing } from "../../../core/resources/resource.ts";

/** One resource's part of the thread that samples the host. */
export interface ResourceSampler {
  /** Time between two samples; Infinity: none is wanted. May change with each sample. */
  readonly intervalMs: number;
  /** Reads what the kernel says now and appends it to the ring. Must not block: what might, is asked elsewhere. */
  sample(nowUs: number): void;
  takePolicy(policy: Policy): void;
  close(): void;
}

/** Tells whoever reads the ring what its numbers mean. */
export type Announce = (appeared: readonly NamedThing[], gone: readonly number[]) => void;
