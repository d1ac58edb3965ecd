/**
 * A guard's datasets lie side by side in one directory, one for each start, under names that sort by time:
 * `2026-11-20T18-05-12-345Z`.
 */
const RUN_NAME = /^\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}-\d{3}Z$/;

/** @param startedMs milliseconds since 1970 */
export function runName(startedMs: number): string {
  return new Date(startedMs).toISOString().replace(/[:.]/g, "-");
}

/** The names among these that {@link runName} made, oldest first. */
export function runNames(names: readonly string[]): readonly string[] {
  return names.filter((name) => RUN_NAME.test(name)).sort();
}
