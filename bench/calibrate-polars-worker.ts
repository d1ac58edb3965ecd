/**
 * The reference of bench/calibrate.ts, in a process of its own: nodejs-polars' min, max and median of usage for each
 * cgroup, over the segment files that are named. Prints them as JSON, by the cgroup's number.
 */
import pl from "nodejs-polars";

const USAGE = "usageBytes";

const segments = process.argv
  .slice(2)
  .map((file) => pl.readIPCStream(file, { columns: ["cgroup", USAGE] } as never));
const grouped = pl
  .concat(segments)
  .groupBy("cgroup")
  .agg(
    pl.col(USAGE).min().alias("min_consumption"),
    pl.col(USAGE).max().alias("max_consumption"),
    pl.col(USAGE).median().alias("median_consumption"),
  );
const rows = grouped.toRecords() as { cgroup: number }[];
const byCgroup = Object.fromEntries(rows.map(({ cgroup, ...figures }) => [cgroup, figures]));
// Bytes come as BigInt, and are all below 2^53.
console.log(
  JSON.stringify(byCgroup, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value)),
);
