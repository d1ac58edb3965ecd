import type { UsageColumns, WordColumn } from "../../src/core/calibration/columns.ts";

/** A row of the usage table, as a test writes it down. */
export interface UsageRow {
  readonly timeUs: number | null;
  readonly cgroup: number | null;
  readonly usageBytes: number | null;
}

/** Numbers as a uint64 column in Arrow's layout; null where `values` is. */
export function wordColumn(values: readonly (number | null)[]): WordColumn {
  const words = new Uint32Array(values.length * 2);
  values.forEach((value, i) => {
    // What lies under a null is anybody's: nobody may read it.
    const written = value ?? 0xdead_beef * 4096 + 77;
    words[i * 2] = written % 2 ** 32;
    words[i * 2 + 1] = Math.floor(written / 2 ** 32);
  });
  return { words, validity: bitmap(values) };
}

export function usageColumns(rows: readonly UsageRow[]): UsageColumns {
  const cgroups = rows.map(({ cgroup }) => cgroup);
  return {
    rows: rows.length,
    time: wordColumn(rows.map(({ timeUs }) => timeUs)),
    cgroups: Int32Array.from(cgroups, (cgroup) => cgroup ?? 1),
    cgroupValidity: bitmap(cgroups),
    usage: wordColumn(rows.map(({ usageBytes }) => usageBytes)),
  };
}

function bitmap(values: readonly (number | null)[]): Uint8Array | null {
  if (!values.includes(null)) return null;
  const bytes = new Uint8Array(Math.ceil(values.length / 8));
  values.forEach((value, i) => {
    if (value !== null) bytes[i >> 3] = (bytes[i >> 3] as number) | (1 << (i & 7));
  });
  return bytes;
}
