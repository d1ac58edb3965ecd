import { escapeHtml } from "./html.ts";
import { timeText } from "./page/zone.ts";

/** Pieces of the page that several of its parts use. Every text that comes in is escaped here. */

/** A time that the page writes anew when another zone is chosen. */
export function timeHtml(timeMs: number, zone: string): string {
  return `<time datetime="${new Date(timeMs).toISOString()}">${timeText(timeMs, zone)}</time>`;
}

/**
 * An element's id from a name of the report, apart from the ids of the page itself.
 * @throws Error for other characters than the report's names have
 */
export function elementId(kind: "chart" | "section", name: string): string {
  if (!/^[a-z0-9-]+$/.test(name))
    throw new Error(`${kind} "${name}": expected a-z, 0-9 and hyphens in its id`);
  return `${kind}-${name}`;
}

export interface Column {
  readonly title: string;
  /** Numbers stand at the right, so that their digits are one below the other. */
  readonly isNumber: boolean;
}

/** A table that scrolls by itself when it is wider than the window. The first cell of a row is its heading. Cells are HTML. */
export function tableHtml(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const kind = ({ isNumber }: Column): string => (isNumber ? ' class="number"' : "");
  const head = columns.map((column) => `<th scope="col"${kind(column)}>${escapeHtml(column.title)}</th>`);
  const body = rows.map((cells) => {
    const inner = cells.map((cell, at) =>
      at === 0
        ? `<th scope="row"${kind(columns[0] as Column)}>${cell}</th>`
        : `<td${kind(columns[at] as Column)}>${cell}</td>`,
    );
    return `<tr>${inner.join("")}</tr>`;
  });
  return [
    `<div class="scroll" tabindex="0" role="group" aria-label="${escapeHtml(caption)}">`,
    `<table><caption>${escapeHtml(caption)}</caption>`,
    `<thead><tr>${head.join("")}</tr></thead>\n<tbody>\n${body.join("\n")}\n</tbody></table></div>`,
  ].join("");
}
