/** Small hosts of cgroups, as the tests of rescue describe them. */
import type { CgroupCalibration, RescuePolicy } from "../../src/core/policy/policy.ts";

export const MiB = 2 ** 20;
export const GiB = 2 ** 30;
export const SECOND_US = 1e6;

export const RESCUE: RescuePolicy = {
  cgroups: [],
  donors: [],
  pause: [],
  globalThreshold: 0.9,
  hostReserve: { share: 0.05 },
  marginBytes: 4 * MiB,
  addMinBytes: 2 * MiB,
  addMaxBytes: 64 * MiB,
  reactionMs: 100,
  donorMargin: { bytes: 2 * MiB },
  lendShareMax: 1,
  rescuesMax: 1000,
  rescuesWithinMs: 600_000,
  returnAfterMs: 5000,
};

export interface CgroupSpec {
  readonly path: string;
  /** What it uses itself, besides what those below it do. */
  readonly ownBytes: number;
  readonly limitBytes: number;
  readonly minBytes?: number;
  readonly lowBytes?: number;
  readonly receives?: boolean;
  readonly gives?: boolean;
  readonly calibration?: CgroupCalibration;
}

export interface WorldSpec {
  readonly cgroups: readonly CgroupSpec[];
  readonly totalBytes: number;
  /** Used outside of all cgroups. */
  readonly otherBytes?: number;
  readonly rescue?: Partial<RescuePolicy>;
}

export interface SimulatedCgroup extends CgroupSpec {
  readonly number: number;
  ownBytes: number;
  limitBytes: number;
  originalBytes: number;
  lastRaiseUs: number;
  lastAddedBytes: number;
}

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`a promise of rescue is broken: ${what}`);
}

/** Of one that uses less than it usually does. */
export const UNUSED: CgroupCalibration = { minBytes: 10 * MiB, medianBytes: 80 * MiB, maxBytes: 150 * MiB };

/** One that grows in a parent of 1 GiB, and two that could lend. */
export function three(over: Partial<WorldSpec> = {}, parentBytes = GiB): WorldSpec {
  return {
    totalBytes: 8 * GiB,
    ...over,
    cgroups: [
      { path: "/p", ownBytes: 0, limitBytes: parentBytes },
      { path: "/p/grows", ownBytes: 100 * MiB, limitBytes: 100 * MiB, receives: true },
      { path: "/p/idle", ownBytes: 20 * MiB, limitBytes: 200 * MiB, gives: true, calibration: UNUSED },
      { path: "/p/calm", ownBytes: 50 * MiB, limitBytes: 100 * MiB, gives: true, calibration: UNUSED },
      ...(over.cgroups ?? []),
    ],
  };
}
