import { formatDuration, formatShare } from "../units.ts";
import type { AnyRung } from "./lint-ladder.ts";

/** A ladder in one line: `log -> sigterm (2s) -> sigkill (10s)`. */
export function formatLadder(ladder: readonly AnyRung[]): string {
  return ladder.length === 0 ? "-" : ladder.map(formatRung).join(" -> ");
}

function formatRung(rung: AnyRung): string {
  if (rung.action === "log") return "log";
  return `${wordOf(rung)} (${formatDuration(rung.deadlineMs)})`;
}

function wordOf(rung: Exclude<AnyRung, { readonly action: "log" }>): string {
  switch (rung.action) {
    case "command":
      return `run ${JSON.stringify(rung.command)}`;
    case "renice":
      return `renice ${rung.nice}`;
    case "quarantine":
      return `quarantine ${rung.cores} CPU`;
    case "throttle":
      return `throttle to ${formatShare(rung.share)}`;
    case "dump":
      return `dump by ${JSON.stringify(rung.command)}${rung.count > 1 ? `, ${rung.count} times ${formatDuration(rung.spacingMs)} apart` : ""}`;
    case "signal":
      return rung.signal;
    case "wait":
      return `wait for ${rung.file} ${rung.endsWith === null ? `to stay as it is for ${formatDuration(rung.stableMs)}` : `to end with ${JSON.stringify(rung.endsWith)}`}`;
    default:
      return rung.action;
  }
}
