import { formatBytes, formatDuration } from "../units.ts";
import type { AppLine } from "./app-looks.ts";
import { applicationSections } from "./application-sections.ts";
import { commitAdvice } from "./commit-limit.ts";
import { Ids } from "./drawing.ts";
import { cgroupsSection, commitLines, hostColumns, hostSection, pressureSection } from "./host-sections.ts";
import { chosenMarks, type DatedMark } from "./marks.ts";
import type { Report, ReportAdvice, ReportNote, ReportSection } from "./model.ts";
import { columnOf, greatest, lastOf, type Recorded } from "./recorded.ts";
import { SeriesBook } from "./series-book.ts";
import { endNote } from "./wall-clock.ts";

/** Makes the report of what was recorded. @param writtenMs now, since 1970 */
export function buildReport(recorded: Recorded, version: string, writtenMs: number): Report {
  const { manifest, clock, apps, cgroups } = recorded;
  const { marks, leftOut } = chosenMarks([...recorded.marks, ...clockMarks(recorded)]);
  const book = new SeriesBook(clock);
  const drawing = { book, ids: new Ids(), marks };
  const host = hostColumns(recorded);
  const commit = commitLines(drawing, host);
  const sections = [
    ...(apps === null ? [] : applicationSections(drawing, apps, commit)),
    host === null ? null : hostSection(drawing, host, recorded.host, commit),
    pressureSection(drawing, recorded),
    cgroupsSection(drawing, cgroups),
  ].filter((each): each is ReportSection => each !== null);
  const { span } = book;
  return {
    title: `Memory of ${manifest.host}`,
    host: manifest.host,
    zone: manifest.zone,
    span,
    sampleCount: recorded.rows,
    writtenMs,
    version,
    facts: factsOf(recorded),
    notes: [...recorded.notes, ...notesOf(recorded, leftOut)],
    series: book.finish(),
    marks: marks.map(({ id, timeMs, kind, text, reason, subject }) => {
      return { id, timeMs, kind, text, reason, subject };
    }),
    sections,
    statistics: book.statistics,
    advice: [...commitAdvices(recorded), ...(apps === null ? [] : childrenAdvices(apps.lines))],
  };
}

function clockMarks({ clock }: Recorded): DatedMark[] {
  return clock.steps.map(({ timeMs, byMs }) => ({
    timeMs,
    kind: "clock",
    text: `the wall clock went ${byMs < 0 ? "back" : "ahead"}`,
    reason: `by ${Math.round(Math.abs(byMs) / 1000)} s against the time that was counted`,
    subject: "host",
    resource: "clock",
  }));
}

function factsOf({ directory, manifest }: Recorded): Report["facts"] {
  const { kernel, programVersion, intervalMs, resources, missedTicks } = manifest;
  return [
    { name: "Recording", value: directory },
    { name: "Recorded", value: resources.join(", ") },
    { name: "Interval", value: formatDuration(intervalMs) },
    { name: "Samples missed", value: String(missedTicks) },
    { name: "Kernel", value: kernel === "" ? "not known" : kernel },
    { name: "Recorded by", value: `plimsoll ${programVersion}` },
  ];
}

function notesOf(recorded: Recorded, marksLeftOut: number): ReportNote[] {
  const { manifest, clock, apps } = recorded;
  const notes: ReportNote[] = [...clock.notes];
  const note = (text: string): void => void notes.push({ weight: "note", text });
  const warn = (text: string): void => void notes.push({ weight: "warning", text });
  const lastUs = lastSampleUs(recorded);
  const end = Number.isNaN(lastUs) ? null : endNote(manifest, clock, lastUs);
  if (end !== null) notes.push(end);
  if (!manifest.complete)
    warn("The recording did not end in order, or still goes on: what was written by then is here.");
  const lost = Object.values(manifest.lostRows).reduce((sum, rows) => sum + rows, 0);
  if (lost > 0) warn(`${lost} samples could not be written while it was recorded; lines are broken there.`);
  if (apps === null)
    note(
      "There is no application data in this recording. To have it, name a profile or policy with applications: plimsoll record --resource app,memory --profile nso.",
    );
  else if (apps.looks === 1) note("There is one look at applications only: points, and no lines.");
  if (apps !== null && apps.unknownRows > 0)
    warn(
      `${apps.unknownRows} samples are of processes that the recording does not name: sums are too small.`,
    );
  const incomplete =
    apps?.lines.reduce((most, { incompleteLooks }) => Math.max(most, incompleteLooks), 0) ?? 0;
  if (incomplete > 0)
    note(
      `At ${incomplete} looks not all of a group could be read: its sums have gaps there, and are no smaller ones.`,
    );
  if (marksLeftOut > 0) note(`${marksLeftOut} marks of less weight are left out; plimsoll audit shows all.`);
  return notes;
}

function lastSampleUs({ apps, host, cgroups }: Recorded): number {
  const ends = [
    apps?.host.timesUs.at(-1),
    host === null ? undefined : columnOf(host, "timeUs").at(-1),
    ...cgroups.map(({ usage }) => usage.timeUs.at(-1)),
  ].filter((each): each is number => each !== undefined);
  return ends.length === 0 ? Number.NaN : Math.max(...ends);
}

function commitAdvices({ host, apps }: Recorded): ReportAdvice[] {
  const seen = [apps?.host.committedBytes, host === null ? undefined : columnOf(host, "committedBytes")];
  const committedMaxBytes = greatest(
    Float64Array.from(seen.flatMap((each) => (each === undefined ? [] : greatest(each)))),
  );
  if (Number.isNaN(committedMaxBytes)) return [];
  const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value);
  // The looks at applications have MemTotal, huge pages among it; the host's table has it without them.
  const own = (column: string): number | null =>
    host === null ? null : orNull(lastOf(columnOf(host, column)));
  return [
    commitAdvice({
      committedMaxBytes,
      commitLimitBytes:
        own("commitLimitBytes") ?? (apps === null ? null : orNull(lastOf(apps.host.commitLimitBytes))),
      ramBytes: own("totalBytes"),
      hugePagesBytes: own("hugePagesBytes"),
      swapBytes: own("swapTotalBytes"),
    }),
  ];
}

/** Subprocesses of one member that hold so much of its memory are worth a word. */
const CHILDREN_SHARE = 0.25;

/** What the measurement tool's authors advise: threads where subprocesses hold much. */
function childrenAdvices(lines: readonly AppLine[]): ReportAdvice[] {
  const much = lines.filter((line) => {
    if (line.childrenAllocatedMaxBytes === 0 || line.member === null) return false;
    if (!/python/i.test(line.group ?? "")) return false;
    return line.childrenAllocatedMaxBytes >= CHILDREN_SHARE * greatest(line.allocatedBytes);
  });
  if (much.length === 0) return [];
  return [
    {
      title: "Python multiprocessing",
      text: "Subprocesses of these Python VMs held much of what the VMs had allocated. Each subprocess has an interpreter and copies of its own: where the work waits for the network or for NSO, threads do it in one process (concurrent.futures.ThreadPoolExecutor); where it computes, a small, fixed number of subprocesses, or maxtasksperchild, bounds it.",
      figures: much.map(({ member, processesMax, childrenAllocatedMaxBytes }) => ({
        name: member ?? "",
        value: `up to ${formatBytes(childrenAllocatedMaxBytes)} in subprocesses, ${processesMax} processes at once`,
      })),
      command: null,
    },
  ];
}
