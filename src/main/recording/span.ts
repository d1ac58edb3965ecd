import { ExitCode, Fault } from "../../core/fault.ts";
import { describeValue, type Parsed, parseDuration } from "../../core/units.ts";

const EXPECTED =
  'a time such as "14:30", "2025-06-01T14:30" (local) or "2025-06-01T14:30:00Z" (with an offset)';
const CLOCK_TIME = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/;
const ISO_8601 = /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?$/;

/** When a recording begins and ends, in milliseconds since 1970. */
export interface Span {
  /** Null: now. */
  readonly fromMs: number | null;
  /** Null: when told to, unless there is a duration. */
  readonly toMs: number | null;
  /** From the begin on, whatever is done to the wall clock. */
  readonly durationMs: number | null;
}

/**
 * A point in time as people write it.
 * @param afterMs a time of day without a date is the next one after this
 */
export function parseMoment(text: string, afterMs: number): Parsed<number> {
  const clock = CLOCK_TIME.exec(text.trim());
  const whole = clock === null ? isoMs(text.trim()) : nextClockTime(clock, afterMs);
  return Number.isNaN(whole)
    ? { ok: false, expected: EXPECTED, found: describeValue(text) }
    : { ok: true, value: whole };
}

function nextClockTime([, hour, minute, second = "0"]: RegExpExecArray, afterMs: number): number {
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return Number.NaN;
  const moment = new Date(afterMs);
  moment.setHours(Number(hour), Number(minute), Number(second), 0);
  // By the calendar, not by 24 hours: the night in which clocks are changed is longer or shorter.
  if (moment.getTime() <= afterMs) moment.setDate(moment.getDate() + 1);
  return moment.getTime();
}

function isoMs(text: string): number {
  const match = ISO_8601.exec(text);
  if (match === null) return Number.NaN;
  const [, year, month, day, hour, minute, second = "00", fraction = "", offset = ""] = match;
  // Date takes the 30th of February for the 2nd of March, and 24:00.
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (Number(day) > days || Number(hour) > 23) return Number.NaN;
  const zone = /^[+-]\d{4}$/.test(offset) ? `${offset.slice(0, 3)}:${offset.slice(3)}` : offset;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${fraction.slice(0, 4)}${zone}`);
}

/** @throws Fault (usage) for what is no time, has passed, or is the wrong way round */
export function recordingSpan(
  options: {
    readonly from?: string | undefined;
    readonly to?: string | undefined;
    readonly duration?: string | undefined;
  },
  nowMs: number,
): Span {
  const refuse = (what: string): never => {
    throw new Fault(ExitCode.usage, what);
  };
  const required = <T>(option: string, parsed: Parsed<T>): T =>
    parsed.ok ? parsed.value : refuse(`${option}: expected ${parsed.expected}, found ${parsed.found}`);
  const { from, to, duration } = options;
  if (to !== undefined && duration !== undefined)
    refuse("expected --to or --duration, found both; say one of them");
  const fromMs = from === undefined ? null : required("--from", parseMoment(from, nowMs));
  if (fromMs !== null && fromMs < nowMs)
    refuse(
      `--from: expected a time to come, found ${shown(fromMs)}, which has passed; leave it out to begin now`,
    );
  const toMs = to === undefined ? null : required("--to", parseMoment(to, fromMs ?? nowMs));
  const beginMs = fromMs ?? nowMs;
  if (toMs !== null && toMs <= beginMs)
    refuse(`--to: expected a time after the begin at ${shown(beginMs)}, found ${shown(toMs)}`);
  const durationMs = duration === undefined ? null : required("--duration", parseDuration(duration));
  if (durationMs === 0) refuse('--duration: expected a duration above 0, such as "20s", found 0');
  return { fromMs, toMs, durationMs };
}

function shown(ms: number): string {
  return new Date(ms).toISOString();
}
