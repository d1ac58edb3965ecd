import { formatBytes, formatDuration } from "../../core/units.ts";

/** The figures of `status` that a person wants on one line. */
interface MemoryFigures {
  readonly level: string;
  readonly totalBytes: number | null;
  readonly availableBytes: number | null;
  readonly criticalLineBytes: number | null;
  readonly swapTotalBytes: number | null;
  readonly swapFreeBytes: number | null;
  readonly fillBytesPerSecond: number | null;
  readonly timeToExhaustionMs: number | null;
  readonly intervalMs: number | null;
  readonly samples: number;
  readonly missedTicks: number;
  readonly worstGapMs: number | null;
  readonly processes: number;
}

interface Latency {
  readonly count: number;
  readonly medianUs: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

/** Exhaustion further away than this is not worth a figure. */
const FAR_MS = 3_600_000;

function bytes(value: number | null): string {
  return value === null ? "?" : formatBytes(value);
}

function share(part: number | null, whole: number | null): string {
  return part === null || whole === null || whole === 0 ? "?" : `${((100 * part) / whole).toFixed(1)} %`;
}

/** One line of what there is left, cut to the terminal's width. */
export function liveLine(status: Record<string, unknown>, columns: number): string {
  const memory = status["memory"] as MemoryFigures;
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

/** What there is to say at the end. */
export function summary(status: Record<string, unknown>, reason: string): string {
  const memory = status["memory"] as MemoryFigures;
  const counts = status["counts"] as {
    decisions: number;
    levels: number;
    gaps: number;
    outcomes: Record<string, number>;
  };
  const latencies = status["latencies"] as Record<string, Latency>;
  const outcomes = Object.entries(counts.outcomes).map(([name, count]) => `${count} ${name}`);
  const lines = [
    `guarded ${String(status["scope"])} for ${formatDuration(Math.round(status["uptimeMs"] as number))}, stopped by: ${reason}`,
    `  samples ${memory.samples}, missed ticks ${memory.missedTicks}, worst gap ${memory.worstGapMs ?? "?"} ms, processes ${memory.processes}`,
    `  levels changed ${counts.levels}, decisions ${counts.decisions}${outcomes.length > 0 ? ` (${outcomes.join(", ")})` : ""}, threads restarted ${counts.gaps}`,
    ...Object.entries(latencies).map(
      ([name, { count, medianUs, p99Us, maxUs }]) =>
        `  ${name}: ${count} times, median ${medianUs} µs, p99 ${p99Us} µs, longest ${maxUs} µs`,
    ),
    `  resident ${formatBytes(status["residentBytes"] as number)}, audit log ${String(status["auditPath"] ?? "none")}`,
  ];
  return `${lines.join("\n")}\n`;
}
