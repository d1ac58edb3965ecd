import type { LineRole, MarkKind, ReportUnit } from "../../../core/report/model.ts";

/** What the page carries as JSON, and how its points are read back. Runs in the browser too; pack.ts is its counterpart. */

export interface PackedSeries {
  /** Of numbers per unit: a value is a whole number times this. */
  readonly scale: number;
  /** Base64 of variable-length integers: {@link unpackSeries}. */
  readonly points: string;
}

export interface PackedLine {
  /** Index into the series. */
  readonly series: number;
  readonly name: string;
  readonly role: LineRole;
  readonly style: number;
}

export interface PackedChart {
  readonly id: string;
  readonly title: string;
  readonly unit: ReportUnit;
  readonly lines: readonly PackedLine[];
  /** Indices into the marks. */
  readonly marks: readonly number[];
}

export interface PackedMark {
  readonly timeMs: number;
  readonly kind: MarkKind;
  readonly text: string;
  readonly reason: string | null;
  readonly subject: string;
}

export interface PackedReport {
  readonly zone: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly series: readonly PackedSeries[];
  readonly charts: readonly PackedChart[];
  readonly marks: readonly PackedMark[];
}

export interface Points {
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
}

/**
 * Each point is two integers of seven bits a byte, the lowest first, the eighth bit saying that more follows: ms since the
 * point before (the first: since `fromMs`, zigzag), and 0 for a gap, else 1 + zigzag of the difference to the value before.
 */
export function unpackSeries({ scale, points }: PackedSeries, fromMs: number): Points {
  const bytes = Uint8Array.from(atob(points), (character) => character.charCodeAt(0));
  const times: number[] = [];
  const values: number[] = [];
  let at = 0;
  const next = (): number => {
    let number = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++] as number;
      number += (byte & 127) * factor;
      if (byte < 128) return number;
    }
  };
  const signed = (number: number): number => (number % 2 === 0 ? number / 2 : -(number + 1) / 2);
  let timeMs = fromMs;
  let value = 0;
  while (at < bytes.length) {
    timeMs += signed(next());
    times.push(timeMs);
    const code = next();
    if (code > 0) value += signed(code - 1);
    values.push(code > 0 ? value * scale : Number.NaN);
  }
  return { timesMs: Float64Array.from(times), values: Float64Array.from(values) };
}
