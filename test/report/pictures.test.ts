import { Resvg } from "@resvg/resvg-js";
import { describe, expect, test } from "vitest";
import { reportOfDay } from "../../bench/report-data.ts";
import type { ReportChart } from "../../src/core/report/model.ts";
import { FONT_FAMILY, withFont } from "../../src/main/report/font.ts";
import { renderPng } from "../../src/main/report/render-png.ts";
import { renderSvg } from "../../src/main/report/render-svg.ts";

const report = reportOfDay({ groups: 3, samplesEach: 3000, buckets: 200 });

function chartOf(id: string, of = report): ReportChart {
  const chart = of.sections.flatMap(({ charts }) => charts).find((each) => each.id === id);
  if (chart === undefined) throw new Error(`no chart ${id}`);
  return chart;
}

describe("a chart as SVG", () => {
  test("has its title, its legend, the red limit in dashes, and each action with time and reason", () => {
    const svg = renderSvg(chartOf("group-0"), report);
    for (const text of [">ncs-smp</text>", ">allocated</text>", ">CommitLimit</text>", ">64 GiB</text>"]) {
      expect(svg).toContain(text);
    }
    expect(svg).toMatch(/stroke="#cf222e"[^>]*stroke-dasharray/);
    expect(svg).toContain(
      "9  2026-11-20 08:43:12  signal, nso: SIGUSR1 sent to 4711 (beam.smp) (critical: so that",
    );
    expect(svg).toContain("<desc>Line chart, ncs-smp.");
    expect(svg).toContain("Times are in Europe/Stockholm.");
    expect(svg).not.toMatch(/NaN|undefined/);
  });

  test("is well-formed XML whatever the names are", () => {
    const evil = `</text><script>alert(1)</script>]]>&nope;"'<!--\u0000\u0008\uffff\ud800`;
    const named = reportOfDay({ groups: 3, samplesEach: 50, buckets: 50 }, (group) => `${evil}${group}`);
    const marks = named.marks.map((mark) => ({ ...mark, text: evil, reason: evil, subject: evil }));
    for (const id of ["group-0", "compare-allocated"]) {
      const svg = renderSvg(chartOf(id, named), { ...named, marks });
      expect(svg).not.toContain("<script");
      // resvg refuses XML that is not well-formed.
      expect(new Resvg(svg, { font: { loadSystemFonts: false } }).width).toBe(1200);
    }
  });

  test("of nothing says so, and of one sample shows it", () => {
    expect(renderSvg(chartOf("swap"), report)).toContain("The dataset has no samples of this.");
    const one = reportOfDay({ groups: 1, samplesEach: 1, buckets: 10 });
    const { fromMs } = one.span as { fromMs: number };
    const svg = renderSvg(chartOf("group-0", one), { ...one, span: { fromMs, toMs: fromMs } });
    expect(svg).not.toContain("The dataset has no samples of this.");
    expect(svg).not.toMatch(/NaN|undefined/);
  });

  test("a chart that names a series which is not there is refused", () => {
    const chart = {
      ...chartOf("group-0"),
      lines: [{ series: "nowhere", name: null, role: "value" as const }],
    };
    expect(() => renderSvg(chart, report)).toThrow('no series "nowhere"');
  });
});

describe("a chart as PNG", () => {
  test("is a picture of twice the size", () => {
    const svg = renderSvg(chartOf("group-0"), report);
    const png = renderPng(svg);
    expect(png.subarray(0, 8).toString("latin1")).toBe("\u0089PNG\r\n\u001a\n");
    expect(png.readUInt32BE(16)).toBe(2400);
    expect(png.length).toBeGreaterThan(10_000);
  });

  test("has its texts also where the machine has no fonts", () => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="40" font-family="system-ui, 'DejaVu Sans', sans-serif"><text x="4" y="25" font-size="16">Zażółć 64 GiB – ö</text></svg>`;
    const inked = (font: NonNullable<ConstructorParameters<typeof Resvg>[1]>["font"]): number =>
      new Resvg(svg, { font: { loadSystemFonts: false, ...font } })
        .render()
        .pixels.filter((value, at) => at % 4 === 3 && value > 128).length;
    const own = withFont((file) =>
      inked({ fontFiles: [file], defaultFontFamily: FONT_FAMILY, sansSerifFamily: FONT_FAMILY }),
    );
    expect(inked({})).toBe(0);
    expect(own).toBeGreaterThan(250);
  });
});
