import { formatBytes, formatDuration } from "../../core/units.ts";
import type { GuardStatus } from "../coordinator/status.ts";

/** Exhaustion further away than this is not worth a figure. */
const FAR_MS = 3_600_000;

function bytes(value: number | null): string {
  return value === null ? "?" : formatBytes(value);
}

function share(part: number | null, whole: number | null): string {
  return part === null || whole === null || whole === 0 ? "?" : `${((100 * part) / whole).toFixed(1)} %`;
}

/** One line of what there is left, cut to the terminal's width. */
export function liveLine(status: GuardStatus, columns: number): string {
  const { memory } = status;
  const parts = [
    `available ${bytes(memory.availableBytes)} of ${bytes(memory.totalBytes)} (${share(memory.availableBytes, memory.totalBytes)})`,
    `critical below ${bytes(memory.criticalLineBytes)}`,
  ];
  if ((memory.swapTotalBytes ?? 0) > 0)
    parts.push(`swap free ${share(memory.swapFreeBytes, memory.swapTotalBytes)}`);
  if ((memory.fillBytesPerSecond ?? 0) > 0) parts.push(`filling ${bytes(memory.fillBytesPerSecond)}/s`);
  const left = memory.timeToExhaustionMs;
  if (left !== null && left < FAR_MS)
    parts.push(`exhausted in ${formatDuration(Math.round(left / 100) * 100)}`);
  parts.push(`level ${memory.level}`);
  return parts.join(", ").slice(0, Math.max(0, columns - 1));
}

function datasetLines({ dataset }: GuardStatus): string[] {
  if (dataset === null) return [];
  const lost = dataset.lostRows > 0 ? `, ${dataset.lostRows} rows lost` : "";
  return [`  dataset ${dataset.directory}: ${dataset.rows} rows, ${formatBytes(dataset.bytes)}${lost}`];
}

/** What there is to say at the end. */
export function summary(status: GuardStatus, reason: string): string {
  const { memory } = status;
  const { counts, latencies } = status;
  const outcomes = Object.entries(counts.outcomes).map(([name, count]) => `${count} ${name}`);
  const lines = [
    `guarded ${status.scope} for ${formatDuration(Math.round(status.uptimeMs))}, stopped by: ${reason}`,
    `  samples ${memory.samples}, missed ticks ${memory.missedTicks}, worst gap ${memory.worstGapMs ?? "?"} ms, processes ${memory.processes}`,
    `  levels changed ${counts.levels}, decisions ${counts.decisions}, actions ${counts.actions}${outcomes.length > 0 ? ` (${outcomes.join(", ")})` : ""}, threads restarted ${counts.gaps}`,
    ...Object.entries(latencies).map(
      ([name, { count, medianUs, p99Us, maxUs }]) =>
        `  ${name}: ${count} times, median ${medianUs} µs, p99 ${p99Us} µs, longest ${maxUs} µs`,
    ),
    `  resident ${formatBytes(status.residentBytes)}, audit log ${status.auditPath ?? "none"}`,
    ...datasetLines(status),
  ];
  return `${lines.join("\n")}\n`;
}
