import { browser, type PageElement, type PageEvent } from "./dom.ts";
import { PLOT_INSETS } from "./drawing.ts";
import { speakTip } from "./tip.ts";
import type { Shown } from "./view.ts";

/** Mouse, finger, wheel and keys on a chart: hover, zoom, move. Runs in the browser. */

/** A drag shorter than this is a click. */
const DRAG_MIN_PX = 5;
const WHEEL_FACTOR = 1.25;

/** Told where the cursor is; `isHere`: on this chart, which shows the values. */
type Point = (timeMs: number | null, isHere: boolean) => void;

class PointerInput {
  readonly #holder: PageElement;
  readonly #band: PageElement;
  readonly #shown: Shown;
  readonly #point: Point;
  /** Where a drag began, in pixels from the left; null: there is none. */
  #dragPx: number | null = null;

  constructor(holder: PageElement, band: PageElement, shown: Shown, point: Point) {
    this.#holder = holder;
    this.#band = band;
    this.#shown = shown;
    this.#point = point;
  }

  listen(): void {
    const holder = this.#holder;
    holder.addEventListener("pointermove", (event) => this.#move(event));
    holder.addEventListener("pointerleave", () => this.#cursor(null));
    holder.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.#dragPx = this.#leftPx(event);
      holder.setPointerCapture(event.pointerId);
    });
    holder.addEventListener("pointerup", (event) => this.#drop(event));
    holder.addEventListener("pointercancel", () => {
      this.#dragPx = null;
      this.#band.hidden = true;
    });
    holder.addEventListener("dblclick", () => this.#shown.showAll());
    holder.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    holder.addEventListener("keydown", (event) => this.#key(event));
    holder.addEventListener("blur", () => this.#cursor(null));
  }

  #leftPx(event: PageEvent): number {
    return event.clientX - this.#holder.getBoundingClientRect().left;
  }

  #timeAt(leftPx: number): number {
    const width = this.#holder.clientWidth - PLOT_INSETS.left - PLOT_INSETS.right;
    const share = Math.min(1, Math.max(0, (leftPx - PLOT_INSETS.left) / Math.max(1, width)));
    return this.#shown.fromMs + share * (this.#shown.toMs - this.#shown.fromMs);
  }

  #cursor(timeMs: number | null): void {
    this.#shown.cursorMs = timeMs;
    this.#point(timeMs, true);
  }

  #move(event: PageEvent): void {
    const leftPx = this.#leftPx(event);
    this.#cursor(this.#timeAt(leftPx));
    if (this.#dragPx === null) return;
    this.#band.hidden = Math.abs(leftPx - this.#dragPx) < DRAG_MIN_PX;
    this.#band.style["left"] = `${Math.min(leftPx, this.#dragPx)}px`;
    this.#band.style["width"] = `${Math.abs(leftPx - this.#dragPx)}px`;
  }

  #drop(event: PageEvent): void {
    const began = this.#dragPx;
    const leftPx = this.#leftPx(event);
    this.#dragPx = null;
    this.#band.hidden = true;
    if (began === null || Math.abs(leftPx - began) < DRAG_MIN_PX) return;
    this.#shown.show(this.#timeAt(Math.min(began, leftPx)), this.#timeAt(Math.max(began, leftPx)));
  }

  /** Over a chart that was clicked, or with Ctrl held; else the wheel scrolls the page, as everywhere. */
  #wheel(event: PageEvent): void {
    if (browser.document.activeElement !== this.#holder && !event.ctrlKey) return;
    event.preventDefault();
    const timeMs = this.#timeAt(this.#leftPx(event));
    this.#shown.zoom(event.deltaY < 0 ? 1 / WHEEL_FACTOR : WHEEL_FACTOR, timeMs);
  }

  #key(event: PageEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const shown = this.#shown;
    const middle = (shown.fromMs + shown.toMs) / 2;
    const at = shown.cursorMs ?? middle;
    const step = ((shown.toMs - shown.fromMs) / 200) * (event.shiftKey ? 10 : 1);
    const moves: Record<string, () => void> = {
      ArrowLeft: () => this.#cursor(Math.max(shown.fromMs, at - step)),
      ArrowRight: () => this.#cursor(Math.min(shown.toMs, at + step)),
      Home: () => this.#cursor(shown.fromMs),
      End: () => this.#cursor(shown.toMs),
      "+": () => shown.zoom(1 / WHEEL_FACTOR, at),
      "-": () => shown.zoom(WHEEL_FACTOR, at),
      "0": () => shown.showAll(),
      Escape: () => this.#cursor(null),
    };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    move();
    if (/^(Arrow|Home|End)/.test(event.key)) speakTip(this.#holder);
  }
}

/** @param point told where the cursor is; the band shows what is being chosen */
export function listenPointer(holder: PageElement, band: PageElement, shown: Shown, point: Point): void {
  new PointerInput(holder, band, shown, point).listen();
}
