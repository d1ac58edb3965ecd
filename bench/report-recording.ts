import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Effort, type Figure, type Finding, median } from "./figures.ts";
import { type ReportShape, writeRecording } from "./report-recording-data.ts";

const DAY: ReportShape = { looks: 86_400, groups: 25 };
/** Ten million rows of processes. */
const LARGE: ReportShape = { looks: 400_000, groups: 25 };
const SMOKE: ReportShape = { looks: 400, groups: 25 };
const ROUNDS = { full: 5, smoke: 1 };
const MIB = 2 ** 20;
const TIME_LIMIT_MS = 2000;
const SIZE_LIMIT_MIB = 3;

const COMMAND = fileURLToPath(new URL("../src/main/cli/bin.js", import.meta.url));

/**
 * `plimsoll report`, as a user runs it: the process from its start to its end, from the recording to the page. The
 * recording is in the page cache, to which it was just written.
 */
export function benchReportRecording({ smoke }: Effort): Finding {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-bench-report-"));
  const rounds = smoke ? ROUNDS.smoke : ROUNDS.full;
  try {
    const day = measure(directory, "day", smoke ? SMOKE : DAY, rounds);
    const large = smoke ? null : measure(directory, "large", LARGE, 1);
    const what = smoke ? "400 looks" : "a day of 1 s samples";
    const figures = [
      figure(
        `report of ${what} of 25 groups: time`,
        "ms",
        day.ms,
        TIME_LIMIT_MS,
        `${rounds} rounds, whole processes`,
      ),
      figure(`report of ${what} of 25 groups: page`, "MiB", day.bytes / MIB, SIZE_LIMIT_MIB, "one file"),
      ...(large === null
        ? []
        : [
            figure("report of 10 million samples: time", "ms", large.ms, null, "once"),
            figure(
              "report of 10 million samples: page",
              "MiB",
              large.bytes / MIB,
              SIZE_LIMIT_MIB,
              "one file",
            ),
          ]),
    ];
    return { bench: "report", figures, evidence: [day, large].flatMap((each) => each?.evidence ?? []) };
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function measure(
  home: string,
  name: string,
  shape: ReportShape,
  rounds: number,
): { readonly ms: number; readonly bytes: number; readonly evidence: string } {
  const [dataset, page, log] = [
    path.join(home, name),
    path.join(home, `${name}.html`),
    path.join(home, "audit"),
  ];
  writeRecording(dataset, shape);
  fs.writeFileSync(log, "");
  const times = Array.from({ length: rounds }, () => {
    const args = [COMMAND, "report", dataset, "--html", page, "--audit", log, "--force"];
    const beganMs = performance.now();
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`plimsoll report ended with ${status}: ${stderr}`);
    return performance.now() - beganMs;
  });
  const { size } = fs.statSync(page);
  const diagrams = fs.readFileSync(page, "utf8").match(/<figure/g)?.length ?? 0;
  fs.rmSync(dataset, { recursive: true });
  const evidence = `${shape.looks * shape.groups} samples of ${shape.groups} processes, ${diagrams} diagrams`;
  return { ms: median(times), bytes: size, evidence };
}

function figure(name: string, unit: string, ours: number, limit: number | null, note: string): Figure {
  const target = limit === null ? null : ({ of: "ours", limit, inclusive: false } as const);
  return { name, unit, ours, reference: null, against: null, ratio: null, target, note };
}
