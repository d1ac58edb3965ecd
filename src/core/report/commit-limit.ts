import { formatBytes } from "../units.ts";
import type { ReportAdvice } from "./model.ts";

/** What the recommendation starts from. Bytes; null: the recording does not tell. */
export interface CommitFacts {
  /** The most that Committed_AS was. */
  readonly committedMaxBytes: number;
  /** The last CommitLimit. */
  readonly commitLimitBytes: number | null;
  /** MemTotal less the pool of huge pages. */
  readonly ramBytes: number | null;
  readonly hugePagesBytes: number | null;
  readonly swapBytes: number | null;
}

export interface CommitRecommendation {
  readonly marginShare: number;
  readonly limitBytes: number;
  /** vm.overcommit_ratio, per cent, that gives at least this limit, not above {@link RATIO_MAX}; null: not known. */
  readonly ratio: number | null;
  /** What the ratio would have to be; above {@link RATIO_MAX} the host has too little memory. */
  readonly ratioNeeded: number | null;
  /** The CommitLimit that the ratio gives. */
  readonly ratioLimitBytes: number | null;
  /** vm.overcommit_kbytes that gives it to the page; null where none can (0 is "not used", swap is more already). */
  readonly kbytes: number | null;
}

/** Above what was seen. */
export const COMMIT_MARGIN_SHARE = 0.1;
/** More would promise memory that is not there. */
const RATIO_MAX = 100;
/** A ratio that gives so much more than is recommended is too coarse. */
const COARSE_SHARE = 0.05;

/**
 * The CommitLimit that what was seen would have kept clear of, and the settings that give it, where vm.overcommit_memory
 * is 2: CommitLimit = (RAM - huge pages) * vm.overcommit_ratio / 100 + swap, or vm.overcommit_kbytes + swap (kernel
 * document mm/overcommit-accounting.rst, mm/util.c vm_commit_limit()).
 */
export function recommendCommitLimit(facts: CommitFacts): CommitRecommendation {
  const { committedMaxBytes, ramBytes, swapBytes } = facts;
  const limitBytes = Math.ceil(committedMaxBytes * (1 + COMMIT_MARGIN_SHARE));
  const known = ramBytes !== null && ramBytes > 0 && swapBytes !== null;
  const needed = known ? Math.max(0, Math.ceil((100 * (limitBytes - swapBytes)) / ramBytes)) : null;
  const ratio = needed === null ? null : Math.min(needed, RATIO_MAX);
  const kbytes = swapBytes === null ? null : Math.ceil((limitBytes - swapBytes) / 1024);
  return {
    marginShare: COMMIT_MARGIN_SHARE,
    limitBytes,
    ratio,
    ratioNeeded: needed,
    ratioLimitBytes: known && ratio !== null ? Math.floor((ramBytes * ratio) / 100) + swapBytes : null,
    kbytes: kbytes === null || kbytes <= 0 ? null : kbytes,
  };
}

/** The same in words. */
export function commitAdvice(facts: CommitFacts): ReportAdvice {
  const found = recommendCommitLimit(facts);
  const { limitBytes, ratio, ratioLimitBytes, kbytes } = found;
  const margin = `${Math.round(found.marginShare * 100)} %`;
  const figures: [string, number | null][] = [
    ["Highest Committed_AS", facts.committedMaxBytes],
    ["CommitLimit now", facts.commitLimitBytes],
    ["Memory without huge pages", facts.ramBytes],
    ["Huge pages", facts.hugePagesBytes],
    ["Swap", facts.swapBytes],
    ["Recommended CommitLimit", limitBytes],
    ["CommitLimit by that ratio", ratioLimitBytes],
  ];
  return {
    title: "CommitLimit and vm.overcommit_ratio",
    text: `The recommended CommitLimit is the highest Committed_AS that was seen and a margin of ${margin}: ${formatBytes(limitBytes)}. ${ratioText(facts, found)} It counts only where vm.overcommit_memory is 2.`,
    figures: [
      ...figures.flatMap(([name, bytes]) =>
        bytes === null ? [] : [{ name, value: `${formatBytes(bytes)} (${bytes} bytes)` }],
      ),
      { name: "Margin", value: margin },
      ...(ratio === null ? [] : [{ name: "vm.overcommit_ratio", value: String(ratio) }]),
      ...(kbytes === null ? [] : [{ name: "vm.overcommit_kbytes instead", value: String(kbytes) }]),
    ],
    command: commandOf(found),
  };
}

function isTooLittle({ ratioNeeded }: CommitRecommendation): boolean {
  return ratioNeeded !== null && ratioNeeded > RATIO_MAX;
}

function isCoarse({ limitBytes, ratioLimitBytes, kbytes }: CommitRecommendation): boolean {
  return kbytes !== null && ratioLimitBytes !== null && ratioLimitBytes > limitBytes * (1 + COARSE_SHARE);
}

function ratioText({ swapBytes }: CommitFacts, found: CommitRecommendation): string {
  const { ratio, ratioNeeded, ratioLimitBytes } = found;
  if (ratio === null || ratioLimitBytes === null)
    return "What vm.overcommit_ratio gives it cannot be told: the recording has no table of the host's memory, which says how much swap and how many huge pages there are; record with --resource app,memory.";
  const formula = "100 * (CommitLimit - swap) / (RAM - huge pages)";
  if (isTooLittle(found))
    return `For that vm.overcommit_ratio would have to be ${ratioNeeded} (${formula}), and the kernel would promise memory that is not there: the host needs more memory or swap, or less to run. With 100 the CommitLimit is ${formatBytes(ratioLimitBytes)}.`;
  if (ratio === 0)
    return `Swap alone (${formatBytes(swapBytes ?? 0)}) is more: vm.overcommit_ratio = 0 gives a CommitLimit of just that.`;
  const text = `vm.overcommit_ratio = ${ratio} (${formula}, rounded up) gives ${formatBytes(ratioLimitBytes)}.`;
  if (!isCoarse(found)) return text;
  return `${text} That is much more, as one per cent of this host's memory is much: vm.overcommit_kbytes = ${found.kbytes} gives it exactly.`;
}

function commandOf(found: CommitRecommendation): string | null {
  if (found.ratio === null || isTooLittle(found)) return null;
  const setting = isCoarse(found)
    ? `vm.overcommit_kbytes=${found.kbytes}`
    : `vm.overcommit_ratio=${found.ratio}`;
  return `sysctl -w vm.overcommit_memory=2 ${setting}`;
}
