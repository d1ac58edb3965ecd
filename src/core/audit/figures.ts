import type { Figures } from "../resources/resource.ts";
import { formatBytes, formatDuration } from "../units.ts";

/** Figures in words: each by its name without its unit, and its value with it. */

/** Units that names end in, the longer of two that would both do first; what is none of them is a count. */
const UNITS: readonly (readonly [string, (value: number) => string])[] = [
  ["BytesPerSecond", (value) => `${formatBytes(value)}/s`],
  ["PerSecond", (value) => `${count(value)}/s`],
  ["PerMinute", (value) => `${count(value)}/min`],
  ["Bytes", formatBytes],
  ["Share", (value) => `${count(value * 100)} %`],
  ["Seconds", (value) => formatDuration(Math.round(value * 1000))],
  ["Us", (value) => duration(value / 1000)],
  ["Ms", duration],
];

/** Below a second to three digits. */
function duration(ms: number): string {
  return formatDuration(Math.abs(ms) < 1000 ? Number(ms.toPrecision(3)) : Math.round(ms));
}

/** Three digits, or all of a whole number. */
function count(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 100 || Number.isInteger(value)
    ? String(Math.round(value))
    : String(Number(value.toPrecision(3)));
}

/** The name in words, without its unit: `freeInodes` is "free inodes", `busyShare` "busy". */
export function figureName(name: string): string {
  const unit = unitOf(name);
  const bare = unit === null ? name : name.slice(0, -unit[0].length);
  // A name that is nothing but its unit, such as `bytesPerSecond`, keeps it.
  const words = bare === "" ? name : bare;
  return words.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** The value with its unit; "unknown" for null. */
export function figureValue(name: string, value: number | null): string {
  if (value === null || !Number.isFinite(value)) return "unknown";
  const unit = unitOf(name);
  return unit === null ? count(value) : unit[1](value);
}

function unitOf(name: string): (typeof UNITS)[number] | null {
  // `bytesPerSecond` ends in its unit too, all of it.
  const known = UNITS.find(([unit]) => name.endsWith(unit) || name.toLowerCase() === unit.toLowerCase());
  return known ?? null;
}

/** `available 1.20 GiB, free inodes 5000`; what is not known is left out, so that nothing may be left. */
export function figuresText(figures: Figures): string {
  return Object.entries(figures)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${figureName(name)} ${figureValue(name, value)}`)
    .join(", ");
}

/** What became of the figures that changed: `available 1.00 GiB -> 5.00 GiB`. */
export function changesText(before: Figures, after: Figures): string {
  return Object.keys({ ...before, ...after })
    .map((name) => [name, before[name] ?? null, after[name] ?? null] as const)
    .filter(([, was, is]) => was !== null || is !== null)
    .map(([name, was, is]) => `${figureName(name)} ${figureValue(name, was)} -> ${figureValue(name, is)}`)
    .join(", ");
}
