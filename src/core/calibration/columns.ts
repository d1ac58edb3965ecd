/**
 * Batches of a dataset's tables as calibration reads them: uint64 columns as pairs of words, low one first, so that no
 * BigInt is made for a row. A validity bitmap is Arrow's (a set bit is a value, least significant bit first); null:
 * every row has a value.
 */
export interface WordColumn {
  readonly words: Uint32Array;
  readonly validity: Uint8Array | null;
}

export interface CgroupColumns {
  readonly rows: number;
  readonly time: WordColumn;
  readonly cgroups: Int32Array;
  readonly cgroupValidity: Uint8Array | null;
}

/** Of the usage table. */
export interface UsageColumns extends CgroupColumns {
  readonly usage: WordColumn;
}

/** Of the detail table. */
export interface DetailColumns extends CgroupColumns {
  readonly limit: WordColumn;
  readonly peak: WordColumn;
  readonly hits: WordColumn;
}

/** The upper word of 2^53: a number from there on is not exact in a double. No host has so much memory. */
export const INEXACT_HIGH_WORD = 2 ** 21;

export const WORD = 2 ** 32;

/** Row `row` of a uint64 column; NaN for null and for what a double cannot hold exactly. */
export function valueOf({ words, validity }: WordColumn, row: number): number {
  if (validity !== null && ((validity[row >> 3] as number) & (1 << (row & 7))) === 0) return Number.NaN;
  const high = words[row * 2 + 1] as number;
  return high >= INEXACT_HIGH_WORD ? Number.NaN : high * WORD + (words[row * 2] as number);
}

/** Which group a cgroup's number is counted in: the entry at that place, -1 for none. */
export type GroupOf = Int32Array;

/** The group of a row; -1 where its cgroup is null or belongs to none. */
export function groupAt({ cgroups, cgroupValidity }: CgroupColumns, row: number, groupOf: GroupOf): number {
  if (cgroupValidity !== null && ((cgroupValidity[row >> 3] as number) & (1 << (row & 7))) === 0) return -1;
  const number = cgroups[row] as number;
  return number >= 0 && number < groupOf.length ? (groupOf[number] as number) : -1;
}
