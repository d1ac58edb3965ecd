import { createHash } from "node:crypto";
import type { Report } from "../../core/report/model.ts";
import { chartContext, sectionHtml } from "./chart-html.ts";
import { escapeHtml, scriptJson } from "./html.ts";
import { elementId, timeHtml } from "./html-parts.ts";
import { packReport } from "./pack.ts";
import { type PageAssets, readPageAssets } from "./page-assets.ts";
import { isZone, offsetText } from "./page/zone.ts";
import { STYLE } from "./style.ts";
import { adviceHtml, marksHtml, statisticsHtml } from "./tables-html.ts";

/**
 * The whole report as one HTML page, which needs nothing but itself: no network, no other file. Texts of others are escaped,
 * and the page's own policy lets no script run but the two whose digests it names.
 * @param assets the program texts; read from the installation unless a test gives others
 */
export function renderHtml(report: Report, assets: PageAssets = readPageAssets()): string {
  const zone = zoneOf(report);
  const context = chartContext(report, zone);
  const scripts = report.span === null ? [] : [assets.library, assets.script].map(closeless);
  return [
    "<!doctype html>",
    '<html lang="en" data-theme="auto">',
    headHtml(report, scripts),
    "<body>",
    '<a class="skip" href="#main">Skip to the charts</a>',
    introHtml(report, zone),
    contentsHtml(report),
    report.span === null ? "" : controlsHtml(report, zone),
    '<main id="main">',
    report.span === null
      ? '<p class="empty">There are no samples in the dataset: nothing can be drawn.</p>'
      : "",
    marksHtml(report, zone),
    ...report.sections.map((section) => sectionHtml(section, context)),
    adviceHtml(report),
    `<div class="wide">${statisticsHtml(report, zone)}</div>`,
    "</main>",
    footerHtml(report, zone),
    '<div id="spoken" class="spoken" role="status"></div>',
    report.span === null ? "" : dataHtml(report, zone),
    ...scripts.map((script) => `<script>${script}</script>`),
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

/** The recording host's zone when it is known, else UTC. */
export function zoneOf({ zone }: Report): string {
  return zone !== null && isZone(zone) ? zone : "UTC";
}

/** A program text in a script element must not end it. */
function closeless(script: string): string {
  return script.replace(/<(?=\/script|!--)/gi, "\\x3c");
}

function headHtml({ title }: Report, scripts: readonly string[]): string {
  const digests = scripts.map((script) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`);
  const sources = digests.length === 0 ? "'none'" : digests.join(" ");
  const policy = `default-src 'none'; script-src ${sources}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'`;
  return [
    "<head>",
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escapeHtml(title)}</title>`,
    `<style>${STYLE}</style>`,
    "</head>",
  ].join("\n");
}

function introHtml(report: Report, zone: string): string {
  const { span } = report;
  const facts = [
    { name: "Host", html: escapeHtml(report.host) },
    ...(span === null
      ? []
      : [
          { name: "From", html: timeHtml(span.fromMs, zone) },
          { name: "To", html: timeHtml(span.toMs, zone) },
          { name: "Length", html: lengthText(span.toMs - span.fromMs) },
        ]),
    { name: "Samples", html: report.sampleCount.toLocaleString("en-GB") },
    { name: "Levels and actions", html: report.marks.length.toLocaleString("en-GB") },
    ...report.facts.map(({ name, value }) => ({ name, html: escapeHtml(value) })),
  ];
  const list = facts.map(({ name, html }) => `<div><dt>${escapeHtml(name)}</dt><dd>${html}</dd></div>`);
  const notes = report.notes.map(
    ({ weight, text }) =>
      `<li class="${weight}"><b>${weight === "warning" ? "Warning:" : "Note:"}</b>${escapeHtml(text)}</li>`,
  );
  return [
    `<header><h1>${escapeHtml(report.title)}</h1>`,
    `<p class="lead">${zoneSentence(report, zone)}</p>`,
    `<dl class="facts">${list.join("")}</dl>`,
    notes.length === 0 ? "" : `<ul class="notes">${notes.join("\n")}</ul>`,
    '<noscript><p class="empty">The charts are drawn by a script, which this browser does not run; the tables hold without it.</p></noscript>',
    "</header>",
  ].join("\n");
}

function zoneSentence(report: Report, zone: string): string {
  const offset = report.span === null ? "" : ` (${offsetText(report.span.fromMs, zone)})`;
  const whose =
    report.zone === null
      ? ": the dataset does not say in which zone it was recorded"
      : zone === report.zone
        ? ", the recording host's zone"
        : `: the recording host's zone ${escapeHtml(report.zone)} is not known here`;
  return `Times are in <span class="zone-name">${escapeHtml(zone)}${offset}</span><span class="zone-whose">${whose}</span>.`;
}

function lengthText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const told = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`);
  return told.length === 0 ? "less than a second" : told.slice(0, 2).join(" ");
}

function contentsHtml({ sections }: Report): string {
  const all = [
    { id: "happened", title: "What happened" },
    ...sections.map(({ id, title }) => ({ id: elementId("section", id), title })),
    { id: "advice", title: "Recommended" },
    { id: "statistics", title: "Statistics" },
  ];
  const items = all.map(({ id, title }) => `<li><a href="#${id}">${escapeHtml(title)}</a></li>`);
  return `<nav aria-label="Contents"><ol>${items.join("")}</ol></nav>`;
}

function controlsHtml(report: Report, zone: string): string {
  const host = `${zone}${report.zone === zone ? ", the host's" : ""}`;
  const others = zone === "UTC" ? "" : '<option value="UTC">UTC</option>';
  const buttons = [
    ["all", "All", "All of the time"],
    ["zoom-in", "+", "Zoom in"],
    ["zoom-out", "−", "Zoom out"],
    ["earlier", "←", "Earlier"],
    ["later", "→", "Later"],
  ].map(
    ([id, text, label]) =>
      `<button type="button" id="${id}" aria-label="${label}" title="${label}">${text}</button>`,
  );
  return [
    '<section class="controls" aria-label="What the charts show"><div>',
    `<div class="buttons" role="group" aria-label="Zoom of all charts">${buttons.join("")}</div>`,
    '<output id="span" aria-live="off"></output>',
    `<label>Times in <select id="zone"><option value="${escapeHtml(zone)}">${escapeHtml(host)}</option>${others}<option id="zone-viewer"></option></select></label>`,
    '<label>Colours <select id="theme"><option value="auto">as the system</option><option value="light">light</option><option value="dark">dark</option></select></label>',
    "</div></section>",
  ].join("\n");
}

function footerHtml({ writtenMs, version }: Report, zone: string): string {
  return [
    "<footer><p>In the charts: drag to zoom, double-click to see all. The wheel zooms a chart that was clicked, or with Ctrl.",
    "By keyboard: arrows move the cursor and read the values, + and − zoom, 0 shows all.",
    "All charts follow one another. A name in a legend hides its line.</p>",
    `<p>Written ${timeHtml(writtenMs, zone)} by plimsoll ${escapeHtml(version)}. Lines keep the least and the greatest value of each`,
    "span of time, so no peak is lost. Drawn by Apache ECharts.</p></footer>",
  ].join("\n");
}

function dataHtml(report: Report, zone: string): string {
  return `<script type="application/json" id="data">${scriptJson(packReport(report, zone))}</script>`;
}
