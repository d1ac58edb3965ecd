import { type Manifest, rowsSaid } from "../../core/dataset/manifest.ts";
import { type Recordable, type TableName, tablesOf } from "../../core/dataset/tables.ts";
import { formatBytes, formatDuration } from "../../core/units.ts";

/** A recording's figures of the moment. */
export interface Figures {
  /** Of all tables. */
  readonly rows: number;
  readonly bytes: number;
  readonly lostRows: number;
  /** Followed now; null: they are not recorded. */
  readonly cgroups: number | null;
  readonly missedTicks: number;
  /** Threads that failed and were started again. */
  readonly gaps: number;
}

/** How far it is. */
export interface Progress {
  readonly elapsedMs: number;
  /** Null: it has no end of its own. */
  readonly wholeMs: number | null;
}

const BAR_MIN = 10;
const BAR_MAX = 40;

function whole(count: number): string {
  return count.toLocaleString("en-US");
}

/** To the second, so that the line does not tremble. */
function seconds(ms: number): string {
  return formatDuration(Math.max(0, Math.round(ms / 1000)) * 1000);
}

function parts(figures: Figures): string[] {
  const { rows, cgroups, missedTicks, lostRows, bytes } = figures;
  return [
    ...(lostRows > 0 ? [`${whole(lostRows)} rows LOST`] : []),
    `${whole(rows)} samples`,
    ...(cgroups === null ? [] : [`${whole(cgroups)} cgroups`]),
    `${whole(missedTicks)} missed`,
    formatBytes(bytes),
  ];
}

/** A line that fits `columns`: a bar as long as there is room, what is less important left out first. */
export function progressLine(figures: Figures, { elapsedMs, wholeMs }: Progress, columns: number): string {
  const share = wholeMs === null ? null : Math.min(1, elapsedMs / wholeMs);
  const time =
    wholeMs === null
      ? [`recording for ${seconds(elapsedMs)}`]
      : [
          `${Math.floor((share ?? 0) * 100)
            .toString()
            .padStart(3)} %`,
          `${seconds(elapsedMs)} of ${seconds(wholeMs)}, ${seconds(wholeMs - elapsedMs)} left`,
        ];
  // The last column stays free: writing into it makes some terminals begin a new line.
  const room = columns - 1;
  const shown = [...time, ...parts(figures)];
  while (shown.length > 1 && shown.join("  ").length > room) shown.pop();
  const text = shown.join("  ");
  const barRoom = Math.min(BAR_MAX, room - text.length - 3);
  if (share === null || barRoom < BAR_MIN) return text.slice(0, Math.max(0, room));
  const filled = Math.round(share * barRoom);
  return `[${"#".repeat(filled)}${".".repeat(barRoom - filled)}] ${text}`;
}

/** The same where nobody looks at a bar. */
export function plainLine(figures: Figures, { elapsedMs, wholeMs }: Progress): string {
  const time = wholeMs === null ? seconds(elapsedMs) : `${seconds(elapsedMs)} of ${seconds(wholeMs)}`;
  return `recording: ${[time, ...parts(figures)].join(", ")}`;
}

/** What was recorded, as data. */
export interface Summary {
  readonly directory: string;
  readonly complete: boolean;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly resources: readonly Recordable[];
  readonly rows: Readonly<Record<TableName, number>>;
  readonly cgroups: number;
  readonly missedTicks: number;
  readonly lostRows: number;
  readonly bytes: number;
  /** Of all tables' bytes by the usage table's rows; null without rows. */
  readonly bytesPerSample: number | null;
  readonly threadsRestarted: number;
}

export function summaryOf(directory: string, manifest: Manifest, cgroups: number, gaps: number): Summary {
  const rows = rowsSaid(manifest);
  const bytes = manifest.segments.reduce((sum, segment) => sum + segment.bytes, 0);
  return {
    directory,
    complete: manifest.complete,
    startedAt: manifest.startedAt,
    endedAt: manifest.endedAt,
    resources: manifest.resources,
    rows,
    cgroups,
    missedTicks: manifest.missedTicks,
    lostRows: Object.values(manifest.lostRows).reduce((sum, lost) => sum + lost, 0),
    bytes,
    bytesPerSample: rows.usage === 0 ? null : Math.round((bytes / rows.usage) * 10) / 10,
    threadsRestarted: gaps,
  };
}

export function summaryText(summary: Summary): string {
  const { directory, startedAt, endedAt, bytes, bytesPerSample } = summary;
  const tookMs = endedAt === null ? null : Date.parse(endedAt) - Date.parse(startedAt);
  const { missedTicks, lostRows, threadsRestarted } = summary;
  return `${[
    `recorded ${tookMs === null ? "an incomplete dataset" : formatDuration(Math.round(tookMs))} in ${directory}`,
    `  ${rowsLine(summary)}`,
    `  missed ticks ${whole(missedTicks)}, lost rows ${whole(lostRows)}, threads restarted ${threadsRestarted}`,
    `  ${formatBytes(bytes)}${bytesPerSample === null ? "" : `, ${bytesPerSample} bytes per sample of usage`}`,
  ].join("\n")}\n`;
}

const OF_TABLE: Partial<Readonly<Record<TableName, string>>> = { detail: "details", host: "the host" };

function rowsLine({ resources, rows, cgroups }: Summary): string {
  const counts = tablesOf(resources).map((table, i) => {
    return `${whole(rows[table])}${i === 0 ? " samples" : ""} of ${OF_TABLE[table] ?? table}`;
  });
  return `${counts.join(", ")}${resources.includes("cgroups") ? `; ${whole(cgroups)} cgroups` : ""}`;
}
