import { browser, type Chart, newElement, type PageElement } from "./dom.ts";
import { chartOption, type DrawnLine, type DrawnMark, PLOT_INSETS } from "./drawing.ts";
import type { PackedChart } from "./packed.ts";
import { listenPointer } from "./pointer.ts";
import { showTip } from "./tip.ts";
import type { Shown } from "./view.ts";

/** One chart of the page: drawn while it is near the window, with its legend, cursor and tip. Runs in the browser. */

/** Of a sheet of paper, in CSS pixels: A4 within usual margins. */
const PAPER_WIDTH_PX = 720;

export class Plot {
  readonly figure: PageElement;
  readonly #chart: PackedChart;
  readonly #shown: Shown;
  readonly #holder: PageElement;
  readonly #canvas: PageElement;
  readonly #cursor: PageElement;
  readonly #tip: PageElement;
  readonly #hidden = new Set<number>();
  #lookedAt: number | null = null;
  #drawn: Chart | null = null;
  #isNear = false;
  #isOnPaper = false;
  #isStale = false;

  constructor(figure: PageElement, chart: PackedChart, shown: Shown) {
    this.figure = figure;
    this.#chart = chart;
    this.#shown = shown;
    this.#holder = figure.querySelector(".plot") as PageElement;
    this.#canvas = newElement("div", "canvas");
    this.#cursor = newElement("div", "cursor");
    this.#tip = newElement("div", "tip");
    const band = newElement("div", "band");
    for (const part of [this.#cursor, this.#tip, band]) part.hidden = true;
    this.#holder.append(this.#canvas, band, this.#cursor, this.#tip);
    listenPointer(this.#holder, band, shown, (timeMs, isHere) => {
      this.pointAt(timeMs, isHere);
    });
    for (const button of figure.querySelectorAll(".legend button")) this.#listenLegend(button);
  }

  /** A click hides a line, a double click all others; what the pointer or the focus is on stands out. */
  #listenLegend(button: PageElement): void {
    const line = Number(button.dataset["line"]);
    button.addEventListener("click", () => {
      if (!this.#hidden.delete(line)) this.#hidden.add(line);
      this.#legendChanged();
    });
    button.addEventListener("dblclick", () => {
      const isAlone = this.#hidden.size === this.#chart.lines.length - 1 && !this.#hidden.has(line);
      this.#hidden.clear();
      if (!isAlone) this.#chart.lines.forEach((_, at) => at !== line && this.#hidden.add(at));
      this.#legendChanged();
    });
    for (const type of ["pointerenter", "focus"]) button.addEventListener(type, () => this.#lookAt(line));
    for (const type of ["pointerleave", "blur"]) button.addEventListener(type, () => this.#lookAt(null));
  }

  #lookAt(line: number | null): void {
    if (this.#chart.lines.length < 2 || this.#lookedAt === line) return;
    this.#lookedAt = line;
    this.refresh();
  }

  #legendChanged(): void {
    for (const button of this.figure.querySelectorAll(".legend button")) {
      button.setAttribute("aria-pressed", String(!this.#hidden.has(Number(button.dataset["line"]))));
    }
    this.refresh();
  }

  /** Nearby it is drawn, far away it takes no memory. */
  setNear(isNear: boolean): void {
    this.#isNear = isNear;
    this.#isStale = true;
    this.#draw();
  }

  /** For paper everything is drawn, as wide as the sheet. */
  setOnPaper(isOnPaper: boolean): void {
    this.#isOnPaper = isOnPaper;
    this.#drawn?.dispose();
    this.#drawn = null;
    this.#isStale = true;
    this.#draw();
  }

  /** Something of what is shown has changed: drawn once, before the next picture. */
  refresh(): void {
    if (this.#isStale || !this.#isNear) return;
    this.#isStale = true;
    browser.requestAnimationFrame(() => {
      this.#draw();
    });
  }

  #draw(): void {
    if (!this.#isNear && !this.#isOnPaper) {
      this.#drawn?.dispose();
      this.#drawn = null;
      return;
    }
    if (!this.#isStale) return;
    this.#isStale = false;
    const size = {
      width: this.#isOnPaper ? PAPER_WIDTH_PX : Math.max(240, this.#holder.clientWidth),
      height: Math.max(160, this.#holder.clientHeight),
    };
    if (this.#drawn === null) {
      // On paper as SVG, which is sharp at any size and needs no memory for pixels.
      const renderer = this.#isOnPaper ? "svg" : "canvas";
      this.#drawn = browser.echarts.init(this.#canvas, null, { renderer, ...size });
    } else this.#drawn.resize(size);
    const { title, unit } = this.#chart;
    const { fromMs, toMs, zone, look } = this.#shown;
    const parts = { title, unit, fromMs, toMs, zone, look, widthPx: size.width };
    const option = chartOption({ ...parts, lines: this.lines(), marks: this.marks() });
    this.#drawn.setOption(option, { notMerge: true, lazyUpdate: false });
    // So that the style can fit it to the sheet.
    if (this.#isOnPaper) {
      this.#drawn.getZr().flush();
      this.#canvas.querySelector("svg")?.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    }
    this.pointAt(null, false);
  }

  lines(): DrawnLine[] {
    return this.#chart.lines.map(({ series, name, role, style }, at) => ({
      name,
      role,
      style,
      ...this.#shown.pointsOf(series),
      isHidden: this.#hidden.has(at),
      isFaint: this.#lookedAt !== null && this.#lookedAt !== at && !this.#hidden.has(this.#lookedAt),
    }));
  }

  marks(): DrawnMark[] {
    return this.#chart.marks.map((at) => {
      const { timeMs, kind } = this.#shown.report.marks[at] as PackedReportMark;
      return { timeMs, kind, number: at + 1 };
    });
  }

  /** Puts the cursor at a time, in all charts; the tip with the values only where the pointer is. */
  pointAt(timeMs: number | null, isHere: boolean): void {
    const { fromMs, toMs } = this.#shown;
    const isSeen = timeMs !== null && timeMs >= fromMs && timeMs <= toMs && this.#isNear;
    this.#cursor.hidden = !isSeen;
    this.#tip.hidden = !isSeen || !isHere;
    if (!isSeen) return;
    const width = this.#holder.clientWidth - PLOT_INSETS.left - PLOT_INSETS.right;
    const xPx = PLOT_INSETS.left + ((timeMs - fromMs) / (toMs - fromMs)) * width;
    this.#cursor.style["left"] = `${xPx}px`;
    if (isHere) {
      showTip({
        tip: this.#tip,
        timeMs,
        xPx,
        widthPx: this.#holder.clientWidth,
        shown: this.#shown,
        chart: this.#chart,
        lines: this.lines(),
      });
    }
  }
}

type PackedReportMark = Shown["report"]["marks"][number];
