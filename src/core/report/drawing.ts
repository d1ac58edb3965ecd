import type { DatedMark } from "./marks.ts";
import type { ChartLine, LineRole, ReportChart, ReportMark, ReportSection, ReportUnit } from "./model.ts";
import type { SeriesBook } from "./series-book.ts";

/** What sections are drawn with. */
export interface Drawing {
  readonly book: SeriesBook;
  readonly ids: Ids;
  readonly marks: readonly (DatedMark & ReportMark)[];
}

/** Names that are unique and hold letters, digits and hyphens alone. */
export class Ids {
  readonly #given = new Set<string>();

  of(...words: readonly string[]): string {
    const plain = words
      .join("-")
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-+|-+$/g, "");
    const base = plain === "" ? "chart" : plain.slice(0, 60);
    let id = base;
    for (let i = 2; this.#given.has(id); i++) id = `${base}-${i}`;
    this.#given.add(id);
    return id;
  }
}

/** A line of a chart; none for a series that has no value. */
export function line(series: string | null, role: LineRole, name: string | null = null): ChartLine[] {
  return series === null ? [] : [{ series, name, role }];
}

interface ChartText {
  readonly title: string;
  readonly about: string;
  readonly unit?: ReportUnit;
}

/** A chart with its marks; of one without lines `about` says that there is nothing. */
export function chart(
  { ids, marks }: Drawing,
  { title, about, unit = "bytes" }: ChartText,
  lines: readonly ChartLine[],
  belongs: (mark: DatedMark) => boolean,
): ReportChart {
  return {
    id: ids.of(title),
    title,
    about: lines.length > 0 ? about : `${about} Nothing of it is in the recording.`,
    unit,
    lines,
    marks: marks.filter((mark) => mark.kind === "clock" || belongs(mark)).map(({ id }) => id),
  };
}

export function section(
  { ids }: Drawing,
  title: string,
  about: string,
  charts: readonly (ReportChart | null)[],
): ReportSection {
  const drawn = charts.filter((each): each is ReportChart => each !== null);
  return { id: ids.of("section", title), title, about, charts: drawn };
}
