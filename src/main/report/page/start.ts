import { browser, elementById, type PageElement } from "./dom.ts";
import type { PackedReport } from "./packed.ts";
import { Plot } from "./plot.ts";
import { Shown } from "./view.ts";
import { isZone, offsetText, timeText } from "./zone.ts";

/** The page's beginning: its data, its charts, its controls. Runs in the browser, last of all its parts. */

/** Charts this near to the window are drawn ahead. */
const NEAR = "400px 0px";

export function startPage(): void {
  const report = JSON.parse(elementById("data").textContent ?? "") as PackedReport;
  const shown = new Shown(report);
  const plots = new Map<PageElement, Plot>();
  for (const chart of report.charts) {
    const figure = elementById(`chart-${chart.id}`);
    plots.set(figure, new Plot(figure, chart, shown));
  }
  shown.onChange(() => {
    for (const plot of plots.values()) plot.refresh();
    tellSpan(shown);
  });
  listenTheme(shown, plots);
  listenZone(shown);
  listenZoom(shown);
  const near = new browser.IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) plots.get(target)?.setNear(isIntersecting);
    },
    { rootMargin: NEAR },
  );
  const resized = new browser.ResizeObserver(() => {
    for (const plot of plots.values()) plot.refresh();
  });
  for (const figure of plots.keys()) near.observe(figure);
  resized.observe(browser.document.documentElement);
  linkCursor(shown, plots);
  tellSpan(shown);
  browser.document.documentElement.dataset["ready"] = "true";
}

/** The cursor of the chart under the pointer stands in the others too, at the same time. */
function linkCursor(shown: Shown, plots: ReadonlyMap<PageElement, Plot>): void {
  const follow = (event: { readonly target: PageElement }): void => {
    for (const [figure, plot] of plots) {
      const holder = figure.querySelector(".plot");
      if (holder !== event.target) plot.pointAt(shown.cursorMs, false);
    }
  };
  for (const figure of plots.keys()) {
    const holder = figure.querySelector(".plot") as PageElement;
    for (const type of ["pointermove", "pointerleave", "keydown", "blur"]) {
      holder.addEventListener(type, () => {
        follow({ target: holder });
      });
    }
  }
}

function tellSpan({ fromMs, toMs, zone, wholeFromMs, wholeToMs }: Shown): void {
  const isWhole = fromMs === wholeFromMs && toMs === wholeToMs;
  const [from, to] = [timeText(fromMs, zone), timeText(toMs, zone)];
  elementById("span").textContent = `${from} – ${to}${isWhole ? "" : " (a part)"}`;
}

function listenTheme(shown: Shown, plots: ReadonlyMap<PageElement, Plot>): void {
  const root = browser.document.documentElement;
  const choice = elementById("theme");
  const dark = browser.matchMedia("(prefers-color-scheme: dark)");
  const paper = browser.matchMedia("print");
  let isOnPaper = false;
  const apply = (): void => {
    const theme = choice.value;
    root.dataset["theme"] = theme;
    shown.setDark(!isOnPaper && (theme === "dark" || (theme === "auto" && dark.matches)));
  };
  const print = (toPaper: boolean): void => {
    if (toPaper === isOnPaper) return;
    isOnPaper = toPaper;
    apply();
    for (const plot of plots.values()) plot.setOnPaper(toPaper);
  };
  choice.addEventListener("change", apply);
  dark.addEventListener("change", apply);
  paper.addEventListener("change", () => {
    print(paper.matches);
  });
  browser.addEventListener("beforeprint", () => {
    print(true);
  });
  browser.addEventListener("afterprint", () => {
    print(false);
  });
  apply();
}

function listenZone(shown: Shown): void {
  const choice = elementById("zone");
  const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const ownOption = elementById("zone-viewer");
  if (own !== undefined && isZone(own)) {
    ownOption.value = own;
    ownOption.textContent = `this browser's: ${own} (${offsetText(shown.fromMs, own)})`;
  } else ownOption.hidden = true;
  const apply = (): void => {
    shown.zone = choice.value;
    for (const element of browser.document.querySelectorAll("time")) {
      const timeMs = Date.parse(element.getAttribute("datetime") ?? "");
      element.textContent = timeText(timeMs, shown.zone);
    }
    for (const element of browser.document.querySelectorAll(".zone-name")) {
      element.textContent = `${shown.zone} (${offsetText(shown.wholeFromMs, shown.zone)})`;
    }
    for (const element of browser.document.querySelectorAll(".zone-whose")) {
      element.hidden = shown.zone !== shown.report.zone;
    }
    shown.changed();
  };
  choice.addEventListener("change", apply);
}

function listenZoom(shown: Shown): void {
  const middle = (): number => shown.cursorMs ?? (shown.fromMs + shown.toMs) / 2;
  const actions: Record<string, () => void> = {
    "zoom-in": () => shown.zoom(0.5, middle()),
    "zoom-out": () => shown.zoom(2, middle()),
    earlier: () => shown.move(-0.5),
    later: () => shown.move(0.5),
    all: () => shown.showAll(),
  };
  for (const [id, action] of Object.entries(actions)) elementById(id).addEventListener("click", action);
}

startPage();
