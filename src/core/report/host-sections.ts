import type { AppHost } from "./app-looks.ts";
import type { CommitLines } from "./application-sections.ts";
import { chart, type Drawing, line, section } from "./drawing.ts";
import type { ReportSection, ReportUnit } from "./model.ts";
import {
  type CgroupRead,
  type Columns,
  columnOf,
  difference,
  greatest,
  type Recorded,
  sharesOf,
} from "./recorded.ts";

/** The host's figures: of its own table or of the looks at applications, of which there are more. */
export function hostColumns({ host, apps }: Pick<Recorded, "host" | "apps">): Columns | null {
  if (apps === null || apps.looks === 0) return host;
  const { timesUs, ...others }: AppHost = apps.host;
  // Beside cgroups the host's own is sampled more seldom.
  if (host !== null && columnOf(host, "timeUs").length >= timesUs.length) return host;
  return { timeUs: timesUs, ...others };
}

/** Draws Committed_AS and CommitLimit. */
export function commitLines({ book }: Drawing, host: Columns | null): CommitLines {
  if (host === null) return { committed: null, commitLimit: null };
  const common = { group: null, unit: "bytes", timesUs: columnOf(host, "timeUs") } as const;
  return {
    committed: book.add({ ...common, name: "Committed_AS", values: columnOf(host, "committedBytes") }),
    commitLimit: book.add({
      ...common,
      name: "CommitLimit",
      values: columnOf(host, "commitLimitBytes"),
      steps: true,
    }),
  };
}

/** @param own the host's own table, which alone tells of swap; null: not recorded */
export function hostSection(
  drawing: Drawing,
  host: Columns,
  own: Columns | null,
  commit: CommitLines,
): ReportSection {
  const timesUs = columnOf(host, "timeUs");
  const total = columnOf(host, "totalBytes");
  const add = (name: string, values: Float64Array, unit: ReportUnit = "bytes"): string | null =>
    drawing.book.add({ name, group: null, unit, timesUs, values });
  const all = (): boolean => true;
  const memory = chart(
    drawing,
    {
      title: "Memory in use",
      about: "What of MemTotal is not available, and what is not free (page cache counts as used there).",
    },
    [
      ...line(
        add("in use (total - available)", difference(total, columnOf(host, "availableBytes"))),
        "value",
      ),
      ...line(add("not free (total - free)", difference(total, columnOf(host, "freeBytes"))), "value"),
      ...line(
        drawing.book.add({
          name: "MemTotal",
          group: null,
          unit: "bytes",
          timesUs,
          values: total,
          steps: true,
        }),
        "limit",
      ),
    ],
    all,
  );
  const allocated = chart(
    drawing,
    {
      title: "Allocated memory",
      about:
        "Committed_AS: what the kernel has promised. CommitLimit binds only where vm.overcommit_memory is 2.",
    },
    [...line(commit.committed, "value"), ...line(commit.commitLimit, "limit")],
    ({ resource }) => resource === "memory" || resource === "app",
  );
  return section(drawing, "Host", "Memory of the whole host (/proc/meminfo).", [
    memory,
    allocated,
    own === null ? null : swapChart(drawing, own),
  ]);
}

function swapChart(drawing: Drawing, host: Columns): ReturnType<typeof chart> | null {
  const swapTotal = host["swapTotalBytes"];
  if (swapTotal === undefined || !(greatest(swapTotal) > 0)) return null;
  const common = { group: null, unit: "bytes", timesUs: columnOf(host, "timeUs") } as const;
  const used = difference(swapTotal, columnOf(host, "swapFreeBytes"));
  return chart(
    drawing,
    { title: "Swap", about: "Swap in use, of all there is." },
    [
      ...line(drawing.book.add({ ...common, name: "swap in use", values: used }), "value"),
      ...line(drawing.book.add({ ...common, name: "SwapTotal", values: swapTotal, steps: true }), "limit"),
    ],
    ({ resource }) => resource === "memory",
  );
}

/** Null: nothing of it was recorded. */
export function pressureSection(drawing: Drawing, recorded: Recorded): ReportSection | null {
  const { host, cpu, io } = recorded;
  const share = (columns: Columns | null, column: string, name: string): string | null => {
    if (columns === null) return null;
    const timesUs = columnOf(columns, "timeUs");
    const values = sharesOf(timesUs, columnOf(columns, column));
    return drawing.book.add({ name, group: null, unit: "share", timesUs, values });
  };
  const memory = [
    ...line(share(host, "someStallUs", "some waited for memory"), "value"),
    ...line(share(host, "fullStallUs", "all waited for memory"), "value"),
  ];
  const others = [
    ...line(share(cpu, "someStallUs", "some waited for a processor"), "value"),
    ...line(share(io, "someStallUs", "some waited for I/O"), "value"),
    ...line(share(io, "fullStallUs", "all waited for I/O"), "value"),
  ];
  if (memory.length + others.length === 0) return null;
  const about = "Share of time in which tasks stood still for want of it (/proc/pressure).";
  return section(drawing, "Pressure", about, [
    memory.length === 0
      ? null
      : chart(drawing, { title: "Memory pressure", about, unit: "share" }, memory, ({ resource }) =>
          ["memory", "app"].includes(resource),
        ),
    others.length === 0
      ? null
      : chart(
          drawing,
          { title: "Pressure of processors and I/O", about, unit: "share" },
          others,
          ({ resource }) => ["cpu", "io"].includes(resource),
        ),
  ]);
}

export function cgroupsSection(drawing: Drawing, cgroups: readonly CgroupRead[]): ReportSection | null {
  if (cgroups.length === 0) return null;
  const drawn = cgroups.map(({ path, usage, limit }) => ({
    path,
    usage: drawing.book.add({
      name: `${path} usage`,
      group: path,
      unit: "bytes",
      timesUs: usage.timeUs,
      values: usage.usageBytes,
    }),
    limit: drawing.book.add({
      name: `${path} limit`,
      group: path,
      unit: "bytes",
      timesUs: limit.timeUs,
      values: limit.limitBytes,
      steps: true,
    }),
  }));
  const comparison = chart(
    drawing,
    { title: "Control groups: usage", about: "Memory that each uses, page cache included." },
    drawn.flatMap(({ path, usage }) => line(usage, "value", path)),
    ({ resource }) => resource === "cgroup",
  );
  const each = drawn.map(({ path, usage, limit }) =>
    chart(
      drawing,
      { title: `Control group ${path}`, about: "Memory that it uses, and its limit where it has one." },
      [...line(usage, "value", "usage"), ...line(limit, "limit", "limit")],
      ({ resource, subject }) => resource === "cgroup" && subject === path,
    ),
  );
  return section(drawing, "Control groups", "Usage and limits of memory.", [
    ...(cgroups.length > 1 ? [comparison] : []),
    ...each,
  ]);
}
