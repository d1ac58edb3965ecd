/**
 * A reader of the NSO measurement tool's log, as scripts around it are: one expression for the level's tag, the measure's
 * name, `exceeded` or `is within`, and the limit's name, in that order, on one line.
 */

const READERS = [
  { measure: "physical", level: "info", pattern: /\[INFO\].*Physical Memory Usage.*is within.*MemTotal/ },
  {
    measure: "physical",
    level: "warning",
    pattern: /\[WARNING\].*Physical Memory Usage.*exceeded.*MemTotal/,
  },
  { measure: "physical", level: "critical", pattern: /\[CRIT\].*Physical Memory Usage.*exceeded.*MemTotal/ },
  { measure: "allocated", level: "info", pattern: /\[INFO\].*Committed_AS.*is within.*CommitLimit/ },
  { measure: "allocated", level: "warning", pattern: /\[WARNING\].*Committed_AS.*exceeded.*CommitLimit/ },
  { measure: "allocated", level: "critical", pattern: /\[CRIT\].*Committed_AS.*exceeded.*CommitLimit/ },
] as const;

export type MonitorReading = Pick<(typeof READERS)[number], "measure" | "level">;

/** What a line says; null: nothing that the reader knows. @throws Error when it says two things */
export function readMonitorLine(line: string): MonitorReading | null {
  const found = READERS.filter(({ pattern }) => pattern.test(line));
  if (found.length > 1) throw new Error(`expected one meaning, found ${found.length} of: ${line}`);
  const [reader] = found;
  return reader === undefined ? null : { measure: reader.measure, level: reader.level };
}
