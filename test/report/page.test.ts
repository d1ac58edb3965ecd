import { createHash } from "node:crypto";
import fs from "node:fs";
import vm from "node:vm";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DAY_BEGIN_MS, type DayShape, reportOfDay } from "../../bench/report-data.ts";
import type { Report, ReportSeries } from "../../src/core/report/model.ts";
import { escapeHtml, scriptJson } from "../../src/main/report/html.ts";
import { keyValues } from "../../src/main/report/key-values.ts";
import { packSeries } from "../../src/main/report/pack.ts";
import { unpackSeries } from "../../src/main/report/page/packed.ts";
import { renderHtml } from "../../src/main/report/render-html.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const SMALL: DayShape = { groups: 3, samplesEach: 2000, buckets: 100 };
const ASSETS = { library: "var library = '</script>';", script: "var script = 2;" };

/** Everything that would leave a text, an attribute, a script, a style or a comment. */
const EVIL = `</script><script>alert(1)</script><img src=x onerror=alert(2)>"'--><!--]]></style>&lt;\u2028\u0000\ud800`;

function emptied(report: Report, of: Partial<Report>): Report {
  return {
    ...report,
    series: [],
    marks: [],
    sections: [],
    statistics: [],
    advice: [],
    sampleCount: 0,
    ...of,
  };
}

describe("the page", () => {
  const report = reportOfDay(SMALL);
  const html = renderHtml(report, ASSETS);

  test("has headings in order, landmarks, and a described picture and a table for each chart", () => {
    const levels = [...html.matchAll(/<h([1-6])[ >]/g)].map(([, level]) => Number(level));
    expect(levels[0]).toBe(1);
    for (const [at, level] of levels.entries()) expect(level - (levels[at - 1] ?? 0)).toBeLessThanOrEqual(1);
    for (const landmark of ["<header>", "<nav aria-label=", '<main id="main">', "<footer>"]) {
      expect(html.split(landmark)).toHaveLength(2);
    }
    const charts = report.sections.flatMap((section) => section.charts);
    const drawn = charts.filter(({ lines }) => lines.length > 0);
    expect(html.match(/role="img" tabindex="0" aria-label="Line chart, /g)).toHaveLength(drawn.length);
    for (const { title } of drawn) expect(html).toContain(`<caption>Key values of: ${title}</caption>`);
    const tables = html.match(/<table>/g)?.length;
    expect(html.match(/<table><caption>/g)).toHaveLength(tables ?? 0);
  });

  test("tells each action with its time in the host's zone and its reason", () => {
    const rows = html.slice(html.indexOf('id="happened"')).split("<tr>");
    const signal = rows.find((row) => row.includes("SIGUSR1"));
    expect(signal).toContain(">2026-11-20 08:43:12</time>");
    expect(signal).toContain("before the OOM killer comes");
    expect(html).toContain("Europe/Stockholm (UTC+01:00)");
  });

  test("lets only the scripts run that it brings, and neither ends before its end", () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? "";
    expect(policy).toMatch(/^default-src 'none'; /);
    const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, text]) => text as string);
    expect(scripts).toHaveLength(2);
    for (const script of scripts) {
      expect(policy).toContain(`'sha256-${createHash("sha256").update(script).digest("base64")}'`);
    }
    const context: { library?: string } = {};
    vm.runInNewContext(scripts[0] as string, context);
    expect(context.library).toBe("</script>");
  });

  test("carries data that read back as they were", () => {
    const data = /<script type="application\/json" id="data">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? "";
    const packed = JSON.parse(data) as { series: { scale: number; points: string }[] };
    for (const [at, { timesMs, values }] of report.series.entries()) {
      const points = unpackSeries(packed.series[at] as { scale: number; points: string }, DAY_BEGIN_MS);
      expect(points.timesMs).toEqual(timesMs.map(Math.round));
      const worst = Math.max(
        ...values.map((value, i) => Math.abs(value - (points.values[i] as number)) || 0),
      );
      expect(worst).toBeLessThanOrEqual(512);
    }
  });
});

describe("names that are made to break out", () => {
  test("stay text in all of the page", () => {
    const evil = reportOfDay(SMALL, (group) => `${EVIL}${group}`);
    const marks = evil.marks.map((mark) => ({ ...mark, text: EVIL, reason: EVIL, subject: EVIL }));
    const notes = [{ weight: "note" as const, text: EVIL }];
    const advice = [{ title: EVIL, text: EVIL, figures: [{ name: EVIL, value: EVIL }], command: EVIL }];
    const facts = [{ name: EVIL, value: EVIL }];
    const tame = reportOfDay(SMALL, (group) => `tame${group}`);
    const same = { title: "t", host: "h" };
    const count = (html: string): string => [...html.matchAll(/<\/?[a-z0-9]+|<!/gi)].map(String).join(" ");
    const html = renderHtml({ ...evil, title: EVIL, host: EVIL, marks, notes, advice, facts }, ASSETS);
    const plain = [{ weight: "note" as const, text: "n" }];
    const other = [{ title: "t", text: "t", figures: [{ name: "f", value: "v" }], command: "c" }];
    const tameHtml = renderHtml(
      { ...tame, ...same, notes: plain, advice: other, facts: [{ name: "a", value: "b" }] },
      ASSETS,
    );
    expect(count(html)).toBe(count(tameHtml));
    expect(html).not.toMatch(/[\u0000\ud800]/);
  });

  test("any text is escaped so that it reads back, and JSON never ends its script", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(escapeHtml(text)).not.toMatch(/[<>"']|&(?!amp;|lt;|gt;|quot;|#39;)/);
        const json = scriptJson({ [text]: text });
        expect(json).not.toMatch(/[<>\u2028\u2029]/);
        expect(JSON.parse(json)).toEqual({ [text]: text });
      }),
      fuzzSettings(),
    );
  });

  test("an id of other characters than the report's is refused", () => {
    const report = reportOfDay(SMALL);
    const sections = report.sections.map((section) => ({ ...section, id: `x"${section.id}` }));
    expect(() => renderHtml({ ...report, sections }, ASSETS)).toThrow(/expected a-z/);
  });
});

describe("little to show", () => {
  const report = reportOfDay(SMALL);

  test("without samples the page says so and needs no script", () => {
    const html = renderHtml(emptied(report, { span: null }), ASSETS);
    expect(html).toContain("There are no samples in the dataset");
    expect(html).not.toContain("<script");
    expect(html).toContain("script-src 'none'");
  });

  test("a section and a chart without anything say so", () => {
    const sections = [{ id: "apps", title: "Applications", about: "", charts: [] }];
    expect(renderHtml(emptied(report, { sections }), ASSETS)).toContain(
      "Nothing of this kind is in the dataset",
    );
    expect(renderHtml(report, ASSETS)).toContain(
      "There is nothing to draw: the dataset has no samples of this.",
    );
  });

  test("a zone that is not known becomes UTC, and the page says which it is", () => {
    const unknown = renderHtml({ ...report, zone: "Mars/Olympus" }, ASSETS);
    expect(unknown).toContain("the recording host's zone Mars/Olympus is not known here");
    expect(unknown).toContain('id="zone"><option value="UTC">');
    expect(renderHtml({ ...report, zone: null }, ASSETS)).toContain("does not say in which zone");
  });
});

describe("points", () => {
  const point = fc.record({
    stepMs: fc.nat(10_000_000),
    value: fc.option(fc.nat({ max: 2 ** 43 }), { nil: null }),
  });

  test("packed and unpacked are the same, gaps included", () => {
    fc.assert(
      fc.property(fc.array(point), (points) => {
        let timeMs = DAY_BEGIN_MS;
        const timesMs = Float64Array.from(points, ({ stepMs }) => (timeMs += stepMs));
        const values = Float64Array.from(points, ({ value }) => (value === null ? Number.NaN : value * 1024));
        const series = seriesOf(timesMs, values);
        expect(unpackSeries(packSeries(series, DAY_BEGIN_MS), DAY_BEGIN_MS)).toEqual({ timesMs, values });
      }),
      fuzzSettings(),
    );
  });

  test("are told by their extremes and counted gaps", () => {
    const nan = Number.NaN;
    const series = seriesOf(Float64Array.of(1, 2, 3, 4, 5, 6), Float64Array.of(nan, 7, nan, 9, 2, nan));
    expect(keyValues(series)).toEqual({
      first: 7,
      firstMs: 2,
      min: 2,
      minMs: 5,
      max: 9,
      maxMs: 4,
      last: 2,
      lastMs: 5,
      gapCount: 1,
    });
    expect(keyValues(seriesOf(Float64Array.of(1), Float64Array.of(nan)))).toBeNull();
  });
});

function seriesOf(timesMs: Float64Array, values: Float64Array): ReportSeries {
  return { id: "s", name: "s", group: null, unit: "bytes", timesMs, values, sampleCount: values.length };
}

test("the page's modules import nothing but one another, so that they can run in a browser", () => {
  const folder = new URL("../../src/main/report/page/", import.meta.url);
  for (const file of fs.readdirSync(folder)) {
    const text = fs.readFileSync(new URL(file, folder), "utf8");
    for (const [, names, from] of text.matchAll(/^import (type )?[^;]*? from "([^"]+)";/gm)) {
      if (names === undefined) expect(from, file).toMatch(/^\.\/[a-z]+\.ts$/);
    }
  }
});
