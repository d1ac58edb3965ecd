/** A policy in plain text, for people at a terminal. */
import { formatBytes, formatDuration, formatShare } from "../units.ts";
import { ruleLists } from "./compile.ts";
import { describeCgroups } from "./describe-cgroups.ts";
import { formatLadder } from "./describe-ladder.ts";
import { describeResources } from "./describe-resources.ts";
import type { HostFacts } from "./finding.ts";
import { formatAmount } from "./lint-levels.ts";
import { LEVEL_NAMES, type LevelName, type MemoryPolicy, type Policy, type ProcessRule } from "./policy.ts";

/**
 * The compiled policy: what is followed and whom it is about in words, levels, ladders and rules in tables; ends with a
 * newline.
 * @param host tells which cgroups match now; null: they are not told
 */
export function describePolicy(policy: Policy, host: HostFacts | null = null): string {
  const { memory, victim, record } = policy;
  const lines = [
    ["policy", policy.source],
    ["scope", policy.scope === "host" ? "the whole host" : `cgroup ${policy.scope}`],
    ["mode", policy.dryRun ? "dry run: nothing is signalled, no limit is moved" : "armed"],
    ["memory", memory.enabled ? describeSampling(memory) : "not guarded"],
    ["processes", describeWalks(memory)],
    ["victim", `unit ${victim.unit}, bringing back at least ${formatBytes(victim.minimumBytes)}`],
    ...describeCgroups(policy, host),
    ...describeResources(policy),
    [
      "record",
      `${record.auditPath ?? "the usual audit log"}, at most ${formatBytes(record.auditLimitBytes)}`,
    ],
    ["kernel log", record.kmsg ? "yes" : "no"],
    [
      "dataset",
      record.samples
        ? `below ${record.datasetDirectory ?? "the usual place"}, at most ${formatBytes(record.datasetLimitBytes)}`
        : "none",
    ],
  ].map(([name = "", text = ""]) => `${name.padEnd(11)} ${text}`);
  const levels = [["level", "begins below", "ends above", "swap below", "also", "for", "ladder"]];
  for (const name of LEVEL_NAMES) levels.push(levelRow(name, memory));
  const rules = ruleLists(policy).flatMap(([list, all]) => all.map((rule) => ruleRow(list, rule)));
  const ruleTable =
    rules.length === 0 ? [] : ["", ...columns([["rule", "line", "matches", "descendants"], ...rules])];
  return `${[...lines, "", ...columns(levels), ...ruleTable].join("\n")}\n`;
}

function describeSampling(memory: MemoryPolicy): string {
  return `every ${formatDuration(memory.intervalMs)}, down to ${formatDuration(memory.intervalMinMs)} near exhaustion`;
}

function describeWalks(memory: MemoryPolicy): string {
  const near = `below ${formatAmount(memory.walkBelow)} or ${formatDuration(memory.walkHorizonMs)} from exhaustion`;
  const calm = formatDuration(memory.walkIntervalCalmMs);
  return `every ${formatDuration(memory.walkIntervalMs)} ${near}, else every ${calm}`;
}

function levelRow(name: LevelName, memory: MemoryPolicy): string[] {
  if (name === "thrashing") {
    const level = memory.thrashing;
    if (level === null) return [name, "off"];
    const also = `${level.pagesPerSecond} pages/s, stalled ${formatShare(level.stallShare)}`;
    return [
      name,
      formatAmount(level.available),
      "-",
      "-",
      also,
      formatDuration(level.forMs),
      formatLadder(level.ladder),
    ];
  }
  const level = memory[name];
  if (level === null) return [name, "off"];
  const swap = level.swapFree === null ? "-" : formatAmount(level.swapFree);
  return [
    name,
    formatAmount(level.available),
    formatAmount(level.recover),
    swap,
    "-",
    formatDuration(level.forMs),
    formatLadder(level.ladder),
  ];
}

function ruleRow(list: string, rule: ProcessRule): string[] {
  const parts = (["name", "exe", "cmdline", "cgroup"] as const).flatMap((part) =>
    rule[part] === null ? [] : [`${part} ~ ${JSON.stringify(rule[part])}`],
  );
  if (rule.uid !== null) parts.push(`uid ${rule.uid}`);
  return [
    list,
    rule.line === 0 ? "built-in" : String(rule.line),
    parts.join(", "),
    rule.descendants ? "too" : "-",
  ];
}

/** Rows in columns two spaces apart; the last cell of a row is not padded. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)));
  return rows.map((row) =>
    row.map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0))).join("  "),
  );
}
