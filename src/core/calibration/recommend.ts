/**
 * Which memory limits would suit a cgroup. Pure, so that `plimsoll recommend` and the guard that runs say the same.
 *
 * The rule, with `need` the highest usage that was seen (its p99, its maximum, or the kernel's own mark):
 *   MemoryMax   need and the margin, up to a whole MiB
 *   MemoryHigh  need and half the margin, up to a whole MiB, and below MemoryMax: nothing that was seen is throttled,
 *               as a memory.high below what is used slows a host without swap down for good
 *   MemoryLow   the median, down to a whole MiB: half of the time it used that much
 * One that was at its limit was cut off: its need is not known, only that it is not less than the limit. It gets the
 * margin twice, and should be calibrated again.
 */

const MIB = 2 ** 20;

export const MARGIN_SHARE = 0.2;

/** What a recommendation is made from; null: not known, or there is none. */
export interface LimitEvidence {
  /** What it has now. */
  readonly limitBytes: number | null;
  readonly p99Bytes: number;
  readonly maxBytes: number;
  readonly medianBytes: number;
  readonly timeAtLimitS: number | null;
  /** The kernel's mark of highest usage, as far as it is of the time that is judged. */
  readonly peakBytes?: number | null;
}

export interface LimitAdvice {
  readonly maxBytes: number;
  readonly highBytes: number;
  readonly lowBytes: number;
  /** In words, with the figures. */
  readonly why: string;
}

/** @param marginShare of the need, from 0 */
export function recommendLimit(evidence: LimitEvidence, marginShare = MARGIN_SHARE): LimitAdvice {
  const { limitBytes, p99Bytes, maxBytes, medianBytes, timeAtLimitS } = evidence;
  const seenBytes = Math.max(p99Bytes, maxBytes, evidence.peakBytes ?? 0);
  const cutOff = limitBytes !== null && timeAtLimitS !== null && timeAtLimitS > 0;
  const needBytes = cutOff ? Math.max(seenBytes, limitBytes) : seenBytes;
  const margin = cutOff ? marginShare * 2 : marginShare;
  const highBytes = upToMiB(needBytes + Math.round((needBytes * margin) / 2));
  const limitToBe = Math.max(upToMiB(needBytes + Math.round(needBytes * margin)), highBytes + MIB);
  const lowBytes = Math.floor(medianBytes / MIB) * MIB;
  return { maxBytes: limitToBe, highBytes, lowBytes, why: whyOf(evidence, seenBytes, cutOff, margin) };
}

function whyOf(evidence: LimitEvidence, seenBytes: number, cutOff: boolean, marginShare: number): string {
  const margin = `${Number((marginShare * 100).toFixed(2))} % margin`;
  const used = `used up to ${mib(seenBytes)} (p99 ${mib(evidence.p99Bytes)}, median ${mib(evidence.medianBytes)})`;
  if (!cutOff) return `${used}; ${margin}`;
  const limit = mib(evidence.limitBytes as number);
  const seconds = Number((evidence.timeAtLimitS as number).toPrecision(3));
  return `${used}, and was at its limit of ${limit} for ${seconds} s, so it may need more: twice the margin, ${margin}; calibrate again with it`;
}

function mib(bytes: number): string {
  return `${Number((bytes / MIB).toFixed(1))} MiB`;
}

function upToMiB(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / MIB)) * MIB;
}
