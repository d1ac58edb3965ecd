import { type CountedUsage, mergeCounted } from "../../core/calibration/counts.ts";
import { type LimitHistories, mergeHistories } from "../../core/calibration/limits.ts";
import { mergeRangeCounts } from "../../core/calibration/ranges.ts";
import { RankSearch } from "../../core/calibration/search.ts";
import { type CgroupStatistics, summarize, wantedRanks } from "../../core/calibration/summary.ts";
import { invariant } from "../../core/fault.ts";
import type { CountFound, CountPart, Part } from "../../workers/batch/task.ts";
import type { Dataset } from "../../workers/common/dataset-reader.ts";
import { dealSegments, groupsOf, lossText, type Share } from "./datasets.ts";
import { FullFindings } from "./full-findings.ts";
import type { BatchPool } from "./pool.ts";

export interface CalibrateOptions {
  /** With the statistics that take the time, the detail table and more ranks. */
  readonly full: boolean;
  /** Each dataset by itself; else cgroups of the same path are one over all datasets. */
  readonly each: boolean;
  /** Is told now and then what is done and how many rows have been read for it. */
  readonly onProgress?: (what: string, rows: number) => void;
}

export interface Calibration {
  /** One a dataset, in their order, or a single one over all; cgroups in the order of their paths. */
  readonly sets: readonly (readonly CgroupStatistics[])[];
  /** What could not be read, in words. */
  readonly losses: readonly string[];
  /** Rows of the usage table. */
  readonly rows: number;
  /** Cgroups that were followed and never had a usage that could be read. */
  readonly withoutSamples: readonly string[];
}

interface Group {
  readonly path: string;
  readonly set: number;
}

const PROGRESS_MS = 200;

/**
 * The statistics of cgroups' usage in datasets, exact, on all cores. Memory is bounded by the number of cgroups and not
 * by that of samples: the counts of core/calibration, twice per thread, and a segment's batch.
 * @throws RangeError when a cgroup has 2^32 samples or more
 */
export async function calibrate(
  pool: BatchPool,
  datasets: readonly Dataset[],
  options: CalibrateOptions,
): Promise<Calibration> {
  const job = new CalibrationJob(pool, datasets, options);
  const timer = setInterval(() => job.tell(), PROGRESS_MS);
  try {
    return await job.run();
  } finally {
    clearInterval(timer);
  }
}

class CalibrationJob {
  readonly #pool: BatchPool;
  readonly #datasets: readonly Dataset[];
  readonly #options: CalibrateOptions;
  readonly #groups: Group[] = [];
  readonly #groupOf: readonly Int32Array[];
  readonly #losses: string[];
  #progress = new SharedArrayBuffer(4);
  #doing = "";

  constructor(pool: BatchPool, datasets: readonly Dataset[], options: CalibrateOptions) {
    this.#pool = pool;
    this.#datasets = datasets;
    this.#options = options;
    const known = new Map<string, number>();
    this.#groupOf = datasets.map((dataset, index) =>
      groupsOf(dataset, (path) => {
        const set = options.each ? index : 0;
        const key = `${set}:${path}`;
        const group = known.get(key) ?? this.#groups.push({ path, set }) - 1;
        known.set(key, group);
        return group;
      }),
    );
    this.#losses = datasets.flatMap(({ directory, losses }) =>
      losses.map((each) => lossText(directory, each)),
    );
  }

  tell(): void {
    if (this.#doing === "") return;
    this.#options.onProgress?.(this.#doing, new Uint32Array(this.#progress)[0] as number);
  }

  async run(): Promise<Calibration> {
    const full = this.#options.full ? new FullFindings(await this.#readDetail()) : null;
    this.#begin("counting usage");
    const dealt = dealSegments(this.#datasets, "usage", this.#pool.threads);
    const parts = dealt.map((shares) => shares.map((share) => this.#countPart(share, full)));
    const found = await Promise.all(
      parts.map((each) =>
        this.#pool.run({
          kind: "count",
          groups: this.#groups.length,
          parts: each,
          progress: this.#progress,
        }),
      ),
    );
    this.#noteLosses(dealt, found);
    dealt.forEach((shares, task) =>
      shares.forEach(({ dataset }, i) => full?.take(dataset, found[task]?.parts[i])),
    );
    const rows = new Uint32Array(this.#progress)[0] as number;
    const counted = found.map((each) => each.counted).reduce<CountedUsage | null>(mergeOrFirst, null);
    const search = counted === null ? null : await this.#searchRanks(counted, parts, found);
    this.#doing = "";
    return this.#summarize(counted, search, full, rows);
  }

  #begin(doing: string): void {
    this.#doing = doing;
    this.#progress = new SharedArrayBuffer(4);
  }

  #part({ dataset, files }: Share, table: Part["table"]): Part {
    const { directory, manifest } = this.#datasets[dataset] as Dataset;
    return { directory, manifest, table, files, groupOf: this.#groupOf[dataset] as Int32Array };
  }

  #countPart(share: Share, full: FullFindings | null): CountPart {
    const part = this.#part(share, "usage");
    const { anchorWallMs, anchorMonotonicUs } = part.manifest.clock;
    const offsetS = anchorWallMs / 1e3 - anchorMonotonicUs / 1e6;
    return {
      ...part,
      full: full === null ? null : { histories: full.histories(share.dataset), offsetS },
    };
  }

  async #readDetail(): Promise<LimitHistories[]> {
    this.#begin("reading limits");
    const shares = dealSegments(this.#datasets, "detail", this.#pool.threads).flat();
    const found = await Promise.all(
      shares.map((share) =>
        this.#pool.run({ kind: "detail", part: this.#part(share, "detail"), progress: this.#progress }),
      ),
    );
    const histories: LimitHistories[] = this.#datasets.map(() => new Map());
    shares.forEach(({ dataset }, i) => {
      const { directory } = this.#datasets[dataset] as Dataset;
      for (const loss of found[i]?.losses ?? []) this.#losses.push(lossText(directory, loss));
      mergeHistories(histories[dataset] as LimitHistories, found[i]?.histories ?? new Map());
    });
    return histories;
  }

  #noteLosses(dealt: readonly (readonly Share[])[], found: readonly CountFound[]): void {
    dealt.forEach((shares, task) =>
      shares.forEach(({ dataset }, i) => {
        const { directory } = this.#datasets[dataset] as Dataset;
        for (const loss of found[task]?.parts[i]?.losses ?? []) this.#losses.push(lossText(directory, loss));
      }),
    );
    const strangers = found.reduce((sum, { counted }) => sum + counted.strangers, 0);
    if (strangers > 0)
      this.#losses.push(`${strangers} rows are of cgroups that no cgroups.jsonl names; they are left out`);
  }

  async #searchRanks(
    counted: CountedUsage,
    parts: readonly (readonly CountPart[])[],
    found: readonly CountFound[],
  ): Promise<RankSearch> {
    const search = new RankSearch(counted, wantedRanks(this.#options.full));
    for (let ranges = search.ranges(), pass = 2; ranges !== null; ranges = search.ranges(), pass++) {
      this.#begin(`looking closer, pass ${pass}`);
      const asked = ranges;
      const counts = await Promise.all(
        parts.map((each, task) => {
          const again = each.map((part, i) => ({
            ...part,
            full: null,
            rows: found[task]?.parts[i]?.rows ?? [],
          }));
          return this.#pool.run({ kind: "ranges", ranges: asked, parts: again, progress: this.#progress });
        }),
      );
      const [first, ...others] = counts;
      invariant(first !== undefined, "what was counted came from some task");
      for (const other of others) mergeRangeCounts(first, other);
      search.take(ranges, first);
    }
    return search;
  }

  #summarize(
    counted: CountedUsage | null,
    search: RankSearch | null,
    full: FullFindings | null,
    rows: number,
  ): Calibration {
    const sets: CgroupStatistics[][] = this.#options.each ? this.#datasets.map(() => []) : [[]];
    const withoutSamples: string[] = [];
    const fullParts = full?.partsOf(this.#groups.length, this.#datasets, this.#groupOf) ?? null;
    this.#groups.forEach(({ path, set }, group) => {
      const statistics =
        counted === null || search === null
          ? null
          : summarize(path, group, counted, search, fullParts?.[group] ?? null);
      if (statistics === null) withoutSamples.push(path);
      else (sets[set] as CgroupStatistics[]).push(statistics);
    });
    for (const set of sets) set.sort((a, b) => (a.path < b.path ? -1 : 1));
    return { sets, losses: this.#losses, rows, withoutSamples };
  }
}

function mergeOrFirst(all: CountedUsage | null, next: CountedUsage): CountedUsage {
  return all === null ? next : mergeCounted(all, next);
}
