/** Wall times in a zone. Runs in the browser too: Intl is all it stands on. */

export interface ZonedTime {
  /** "2026-11-20" */
  readonly date: string;
  /** "15:47:46" */
  readonly time: string;
  /** "Fri 20 Nov" */
  readonly day: string;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** @throws RangeError for a zone that the platform does not know; ask {@link isZone} before */
function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      hourCycle: "h23",
      weekday: "short",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    formats.set(zone, format);
  }
  return format;
}

/** Whether the platform knows this IANA zone. */
export function isZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The calendar and the clock of a zone at a time (ms since 1970, UTC). */
export function zonedTime(timeMs: number, zone: string): ZonedTime {
  const parts: Record<string, string> = {};
  for (const { type, value } of formatOf(zone).formatToParts(timeMs)) parts[type] = value;
  const { year = "", month = "", day = "", weekday = "" } = parts;
  return {
    date: `${year}-${month}-${day}`,
    time: `${parts["hour"]}:${parts["minute"]}:${parts["second"]}`,
    day: `${weekday} ${Number(day)} ${MONTHS[Number(month) - 1]}`,
  };
}

/** "2026-11-20 15:47:46" */
export function timeText(timeMs: number, zone: string): string {
  const { date, time } = zonedTime(timeMs, zone);
  return `${date} ${time}`;
}

/** How far the zone is ahead of UTC at that time, in ms. */
export function zoneOffsetMs(timeMs: number, zone: string): number {
  const { date, time } = zonedTime(timeMs, zone);
  return Date.parse(`${date}T${time}Z`) - Math.floor(timeMs / 1000) * 1000;
}

/** "UTC+01:00" */
export function offsetText(timeMs: number, zone: string): string {
  const minutes = Math.round(zoneOffsetMs(timeMs, zone) / 60_000);
  const two = (value: number): string => String(value).padStart(2, "0");
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** Steps between ticks of a time axis, in ms: what a clock has. */
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS_MS = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30].map(
    (count) => count * SECOND,
  ),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 28, 91, 182, 364].map((count) => count * DAY),
];

export function timeStepMs(spanMs: number, ticksMax: number): number {
  const least = spanMs / Math.max(1, ticksMax);
  return STEPS_MS.find((step) => step >= least) ?? Math.ceil(least / (364 * DAY)) * 364 * DAY;
}

/**
 * Where a time axis has its ticks: at round times of the zone's own clock, also after the clock was put forward or back
 * for summer. At most about `ticksMax` of them.
 */
export function timeTicks(fromMs: number, toMs: number, zone: string, ticksMax: number): number[] {
  const step = timeStepMs(toMs - fromMs, ticksMax);
  const ticks: number[] = [];
  let offset = zoneOffsetMs(fromMs, zone);
  for (let local = Math.ceil((fromMs + offset) / step) * step; ; local += step) {
    let at = local - offset;
    const now = zoneOffsetMs(at, zone);
    if (now !== offset) {
      offset = now;
      at = local - offset;
    }
    if (at > toMs) return ticks;
    if (at >= fromMs && at > (ticks.at(-1) ?? Number.NEGATIVE_INFINITY)) ticks.push(at);
  }
}

/** What stands at a tick: the day at midnight and at the first tick, else the time, as fine as the steps are. */
export function tickText(timeMs: number, stepMs: number, zone: string, isFirst: boolean): string {
  const { time, day } = zonedTime(timeMs, zone);
  const isMidnight = time === "00:00:00";
  if (stepMs >= DAY) return day;
  if (isMidnight) return `${day}\n00:00`;
  const fraction = String(Math.round((timeMs % SECOND) * 1000) / 1e6).slice(1);
  const clock = stepMs >= MINUTE ? time.slice(0, 5) : stepMs >= SECOND ? time : `${time}${fraction}`;
  return isFirst ? `${clock}\n${day}` : clock;
}
