import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Candidate, ProcessRow } from "../../src/core/victim/candidate.ts";
import { rankVictims } from "../../src/core/victim/rank.ts";
import { ask, database, GiB, HOUR, MiB, MINUTE, row, rows } from "../support/victim-host.ts";

/** The host of the worked example: shortfall 800 MiB of 16 GiB, nothing in swap. */
const example: readonly ProcessRow[] = [
  database,
  row(300, { anonBytes: GiB, grownBytes: 700 * MiB, ageSeconds: MINUTE }),
  row(400, { anonBytes: 79 * MiB, oomScoreAdj: 300, ageSeconds: HOUR }),
  ...rows(2000, 200, () => ({
    processGroup: 2000,
    session: 250,
    anonBytes: 8 * MiB,
    grownBytes: 1 * MiB,
    ageSeconds: 10,
  })),
];

const COLUMNS = ["recovers", "growth", "age", "oomScoreAdj", "preference", "few"] as const;

function line({ kind, id, parts, score }: Candidate): string[] {
  return [`${kind} ${id}`, ...COLUMNS.map((name) => parts[name].toFixed(1)), score.toFixed(1)];
}

test("the worked example in docs/victim.md is what the ranking says", () => {
  const text = readFileSync(new URL("../../docs/victim.md", import.meta.url), "utf8");
  const written = text
    .split("\n")
    .filter((l) => /^\| `(process|process-group) \d+`/.test(l))
    .map((l) =>
      l
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
  const { candidates, excluded } = rankVictims(ask(example));
  expect(written).toEqual(candidates.map(line));
  expect(excluded).toEqual({ init: 1, guard: 1, "too-small": 200 });
});
