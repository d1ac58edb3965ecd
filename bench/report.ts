import { performance } from "node:perf_hooks";
import { type Effort, type Figure, type Finding, median } from "./figures.ts";
import { type DayShape, FULL_DAY, reportOfDay } from "./report-data.ts";
import { Chromium, chromium } from "../test/support/chromium.ts";
import { renderHtml } from "../src/main/report/render-html.ts";
import { renderPng } from "../src/main/report/render-png.ts";
import { renderSvg } from "../src/main/report/render-svg.ts";

const SMOKE_DAY: DayShape = { groups: 3, samplesEach: 1000, buckets: 100 };
/** Ten million samples: of each group what it has allocated and what is resident. */
const LARGE: DayShape = { groups: 50, samplesEach: 100_000, buckets: 700 };
const ROUNDS = { full: 5, smoke: 1 };
const MIB = 2 ** 20;

/**
 * The report's page of a made-up day of 1 s samples of 25 groups, from samples in memory: statistics, thinning, and the page's
 * text; and one diagram as SVG and as PNG. And how long Chromium takes to open the page of ten million samples.
 */
export async function benchReport({ smoke }: Effort): Promise<Finding> {
  const shape = smoke ? SMOKE_DAY : FULL_DAY;
  const ms: Record<"page" | "whole" | "svg" | "png", number[]> = { page: [], whole: [], svg: [], png: [] };
  let bytes = 0;
  for (let round = 0; round < (smoke ? ROUNDS.smoke : ROUNDS.full); round++) {
    const began = performance.now();
    const report = reportOfDay(shape);
    const reported = performance.now();
    bytes = Buffer.byteLength(renderHtml(report));
    const written = performance.now();
    const chart = report.sections
      .flatMap(({ charts }) => charts)
      .find(({ id }) => id === "compare-allocated");
    if (chart === undefined) throw new Error("the made-up day has no chart compare-allocated");
    const svg = renderSvg(chart, report);
    const drawn = performance.now();
    renderPng(svg);
    ms.png.push(performance.now() - drawn);
    ms.svg.push(drawn - written);
    ms.page.push(written - reported);
    ms.whole.push(written - began);
  }
  const opened = smoke || chromium() !== null ? null : await openLarge();
  const what = `${shape.groups} groups, ${shape.samplesEach} samples each of two measures`;
  return {
    bench: "report-page",
    figures: [
      figure("report's page", "ms", median(ms.page), 2000, "from a report's data"),
      figure(
        "report's page with its data",
        "ms",
        median(ms.whole),
        null,
        "samples made up, counted and thinned too",
      ),
      figure("size of the page", "MiB", bytes / MIB, 3, "echarts inlined"),
      figure("diagram of all groups as SVG", "ms", median(ms.svg), null, ""),
      figure("the same as PNG", "ms", median(ms.png), null, "2400 pixels wide"),
      ...(opened === null
        ? []
        : [figure("page of 10 million samples: open in Chromium", "ms", opened, 3000, "first chart drawn")]),
    ],
    evidence: [`${what}, ${shape.buckets} spans of time drawn; page of ${bytes} bytes`, ...missing(smoke)],
  };
}

/** Milliseconds from the page's address to its first chart, in a browser that stands ready. */
async function openLarge(): Promise<number> {
  const html = renderHtml(reportOfDay(LARGE));
  const browser = await Chromium.start();
  try {
    const ms: number[] = [];
    for (let round = 0; round < ROUNDS.full; round++) {
      const began = performance.now();
      const { page } = await browser.open(html, "light");
      await page.waitForSelector('html[data-ready="true"]');
      await page.evaluate("document.getElementById('chart-group-0').scrollIntoView()");
      await page.waitForSelector("#chart-group-0 canvas");
      ms.push(performance.now() - began);
      await page.close();
    }
    return median(ms);
  } finally {
    await browser.close();
  }
}

function missing(smoke: boolean): string[] {
  const why = chromium();
  return smoke || why === null ? [] : [`not opened in a browser: ${why}`];
}

function figure(name: string, unit: string, ours: number, limit: number | null, note: string): Figure {
  const target = limit === null ? null : ({ of: "ours", limit, inclusive: false } as const);
  return { name, unit, ours, reference: null, against: null, ratio: null, target, note };
}
