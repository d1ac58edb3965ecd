import type { ReportUnit } from "../../../core/report/model.ts";

/** Values in words, and round steps for their axis. Runs in the browser too. */

const BINARY_NAMES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Three digits, such as "1.50 GiB", "42.0 %", "12.5/s"; "unknown" for null and NaN. */
export function valueText(value: number | null, unit: ReportUnit): string {
  if (value === null || Number.isNaN(value)) return "unknown";
  if (unit === "share") return `${digits(value * 100)} %`;
  if (unit === "bytes") {
    const power = binaryPower(value);
    return `${power === 0 ? String(Math.round(value)) : digits(value / 1024 ** power)} ${BINARY_NAMES[power]}`;
  }
  return unit === "perSecond" ? `${digits(value)}/s` : digits(value);
}

function binaryPower(value: number): number {
  const size = Math.abs(value);
  let power = 0;
  // 1023.6 MiB would be "1024 MiB" in three digits.
  while (power < BINARY_NAMES.length - 1 && size >= 1023.5 * 1024 ** power) power += 1;
  return power;
}

function digits(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size >= 1e6 || size < 0.001) return value.toPrecision(3);
  // 9.999 in three digits is 10.0, not 10.00.
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3);
}

export interface ValueAxis {
  readonly max: number;
  readonly step: number;
}

/** An axis from 0 to a round number above the highest value, of bytes round in powers of two. About four steps. */
export function valueAxis(highest: number, unit: ReportUnit): ValueAxis {
  const top = Number.isFinite(highest) && highest > 0 ? highest * 1.04 : unit === "bytes" ? 1024 : 1;
  const least = top / 5;
  let step: number;
  if (unit === "bytes") {
    const scale = 1024 ** binaryPower(least);
    step =
      scale *
      ([1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256, 512].find((m) => m * scale >= least) ??
        1024);
  } else {
    const scale = 10 ** Math.floor(Math.log10(least));
    step = scale * ([1, 2, 2.5, 5].find((m) => m * scale >= least) ?? 10);
  }
  const steps = Math.ceil(top / step - 1e-9);
  // Of a share there is no more than all.
  if (unit === "share" && highest <= 1 && steps * step > 1) return { max: 1, step };
  return { max: steps * step, step };
}

/** As an axis says it: no digits that say nothing, "1.5 GiB", "20 %". */
export function axisText(value: number, unit: ReportUnit): string {
  if (value === 0) return unit === "share" ? "0 %" : "0";
  const power = unit === "bytes" ? binaryPower(value) : 0;
  const scaled = unit === "share" ? value * 100 : value / 1024 ** power;
  const number = String(Number(scaled.toPrecision(4)));
  if (unit === "bytes") return `${number} ${BINARY_NAMES[power]}`;
  return unit === "share" ? `${number} %` : unit === "perSecond" ? `${number}/s` : number;
}
