/** What is odd about levels and their ladders. */
import { formatBytes, formatShare } from "../units.ts";
import type { HostFacts, Report } from "./finding.ts";
import { lintSteps } from "./lint-ladder.ts";
import {
  type Amount,
  amountBytes,
  type HeadroomLevel,
  LEVEL_NAMES,
  type Policy,
  type Rung,
} from "./policy.ts";

export function lintLevels(policy: Policy, host: HostFacts | null, report: Report): void {
  const { memory } = policy;
  for (const name of LEVEL_NAMES) {
    const level = memory[name];
    if (level === null) continue;
    lintLadder(name, level.ladder, report);
    lintTotal(name, "available", level.available, host, report);
  }
  for (const name of ["warning", "critical"] as const) {
    const level = memory[name];
    if (level !== null) lintHeadroom(name, level, host, report);
  }
  lintOrder(memory.warning, memory.critical, host, report);
}

/** The first less the second, in bytes or shares; null when only the host's total could tell. */
function difference(first: Amount, second: Amount, host: HostFacts | null): number | null {
  if ("bytes" in first && "bytes" in second) return first.bytes - second.bytes;
  if ("share" in first && "share" in second) return first.share - second.share;
  const totalBytes = host?.totalBytes ?? null;
  return totalBytes === null ? null : amountBytes(first, totalBytes) - amountBytes(second, totalBytes);
}

function sameKind(first: Amount, second: Amount): boolean {
  return "bytes" in first === "bytes" in second;
}

/** An amount for people: "10%" or "500 MiB". */
export function formatAmount(amount: Amount): string {
  return "bytes" in amount ? formatBytes(amount.bytes) : formatShare(amount.share);
}

function lintOrder(
  warning: HeadroomLevel | null,
  critical: HeadroomLevel | null,
  host: HostFacts | null,
  report: Report,
): void {
  if (warning === null || critical === null) return;
  const above = difference(critical.available, warning.available, host);
  if (above === null || above < 0) return;
  // Where one is a share and the other a size, it holds for this host only.
  const certain = above > 0 && sameKind(critical.available, warning.available);
  report(certain ? "error" : "warning", ["memory", "critical", "available"], {
    expected: `less than memory.warning.available (${formatAmount(warning.available)})`,
    found: formatAmount(critical.available),
    advice: "the warning would come too late; lower this, raise the other, or say warning = false",
  });
}

function lintHeadroom(
  name: "warning" | "critical",
  level: HeadroomLevel,
  host: HostFacts | null,
  report: Report,
): void {
  const above = difference(level.recover, level.available, host);
  if (above !== null && above <= 0) {
    report(sameKind(level.recover, level.available) ? "error" : "warning", ["memory", name, "recover"], {
      expected: `more than memory.${name}.available (${formatAmount(level.available)})`,
      found: formatAmount(level.recover),
      advice: "the level would begin and end at every sample; leave recover out for 1.5 times available",
    });
  }
  lintTotal(name, "recover", level.recover, host, report);
  if (level.swapFree !== null && host?.swapTotalBytes === 0) {
    report("info", ["memory", name, "swap_free"], {
      expected: "swap on the host",
      found: "none",
      advice: "swap_free is not looked at here; nothing need be done",
    });
  }
}

function lintTotal(
  name: string,
  key: "available" | "recover",
  amount: Amount,
  host: HostFacts | null,
  report: Report,
): void {
  const totalBytes = host?.totalBytes ?? null;
  const share = "share" in amount ? amount.share : totalBytes === null ? 0 : amount.bytes / totalBytes;
  if (share < 1) return;
  report("warning", ["memory", name, key], {
    expected:
      totalBytes === null
        ? "less than all memory"
        : `less than the memory there is (${formatBytes(totalBytes)})`,
    found: formatAmount(amount),
    advice: key === "recover" ? "the level could never end" : "the level would always hold",
  });
}

function lintLadder(name: string, ladder: readonly Rung[], report: Report): void {
  const path = ["memory", name, "ladder"];
  lintSteps(path, ladder, report);
  if (ladder.length > 0 && name !== "warning" && ladder.every((rung) => rung.action === "log")) {
    report("info", path, {
      expected: "a step that brings memory back (command, sigterm, sigkill)",
      found: "log alone",
      advice: "the guard will watch and do nothing; the kernel ends a process of its own choice",
    });
  }
}
