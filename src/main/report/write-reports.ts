import fs from "node:fs";
import path from "node:path";
import { ExitCode, Fault } from "../../core/fault.ts";
import { buildReport } from "../../core/report/build.ts";
import type { Report } from "../../core/report/model.ts";
import { tellLosses } from "../batch/tell.ts";
import { makeDirectory, notWritten } from "../batch/write-result.ts";
import type { ReportOptions } from "../cli/report-command.ts";
import { packageVersion } from "../cli/version.ts";
import { readForReport } from "./data/read.ts";
import { textFiles } from "./data/text-lines.ts";
import { reportJson } from "./json.ts";

/** A file that is to be: its content is made when its turn comes. */
interface Wanted {
  readonly file: string;
  readonly content: () => string | Uint8Array;
}

/**
 * Reads a dataset and writes the report of it in each form that was asked for; the page, when none was.
 * @throws Fault when it is no dataset, holds nothing to draw, or a file cannot be written or is there already
 */
export async function writeReports(directory: string, options: ReportOptions): Promise<void> {
  const page = pageOf(directory, options);
  if (page !== null) refuseOverwriting([page], options);
  const { recorded, losses } = readForReport(directory, options.audit ?? null);
  tellLosses(losses);
  const report = buildReport(recorded, packageVersion(), Date.now());
  const wanted = [
    ...(page === null ? [] : await pageFile(page, report)),
    ...(await pictureFiles(report, options)),
    ...(options.text === undefined ? [] : textFiles(directory, options.text)),
  ];
  refuseOverwriting(
    wanted.map(({ file }) => file),
    options,
  );
  for (const each of [options.svg, options.png, options.text]) if (each !== undefined) makeDirectory(each);
  for (const { file, content } of wanted) writeFile(file, content(), options.force === true);
  if (options.json === true) await toStdout(reportJson(report));
  else tell(wanted.map(({ file }) => file));
}

function pageOf(directory: string, { html, svg, png, text, json }: ReportOptions): string | null {
  if (html !== undefined) return html;
  if (svg !== undefined || png !== undefined || text !== undefined || json === true) return null;
  return `${path.basename(path.resolve(directory)) || "dataset"}-report.html`;
}

async function pageFile(file: string, report: Report): Promise<Wanted[]> {
  const { renderHtml } = await import("./render-html.ts");
  return [{ file, content: () => renderHtml(report) }];
}

/** Diagrams that have lines, each a file by its id. */
async function pictureFiles(report: Report, { svg, png }: ReportOptions): Promise<Wanted[]> {
  if (svg === undefined && png === undefined) return [];
  const { renderSvg } = await import("./render-svg.ts");
  const charts = report.sections.flatMap((section) => section.charts).filter(({ lines }) => lines.length > 0);
  const drawn = new Map(charts.map((chart) => [chart.id, renderSvg(chart, report)]));
  const files: Wanted[] = [];
  if (svg !== undefined)
    for (const [id, text] of drawn) files.push({ file: path.join(svg, `${id}.svg`), content: () => text });
  if (png !== undefined) {
    const { renderPng } = await import("./render-png.ts");
    for (const [id, text] of drawn)
      files.push({ file: path.join(png, `${id}.png`), content: () => renderPng(text) });
  }
  return files;
}

/** @throws Fault that names those that are there already */
function refuseOverwriting(files: readonly string[], { force }: ReportOptions): void {
  if (force === true) return;
  const there = files.filter((file) => fs.existsSync(file));
  const [first] = there;
  if (first === undefined) return;
  const more = there.length > 1 ? ` and ${there.length - 1} more` : "";
  throw new Fault(
    ExitCode.fault,
    `expected new files to write to, found them there already: ${first}${more}; name another --html, --svg, --png or --text, or say --force`,
  );
}

/** Whole or not there; and without --force nothing that came into its place meanwhile is lost: link(2) replaces nothing. */
function writeFile(file: string, content: string | Uint8Array, force: boolean): void {
  const beside = `${file}.${process.pid}.part`;
  try {
    fs.writeFileSync(beside, content, { flag: "wx" });
    if (force) fs.renameSync(beside, file);
    else fs.linkSync(beside, file);
  } catch (error) {
    throw notWritten(file, error as NodeJS.ErrnoException);
  } finally {
    fs.rmSync(beside, { force: true });
  }
}

function tell(files: readonly string[]): void {
  const [only] = files;
  if (only === undefined) process.stdout.write("nothing to write\n");
  else if (files.length === 1) process.stdout.write(`${only}\n`);
  else process.stdout.write(`${files.length} files: ${files.map((file) => `${file}\n`).join("")}`);
}

async function toStdout(text: string): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
}
