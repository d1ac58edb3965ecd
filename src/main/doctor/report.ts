import type { Check } from "./check.ts";
import type { Examination } from "./examine.ts";

/** The examination for a person: a line a check, with advice where there is something to do. */
export function examinationText({ scope, checks, uncovered, exitCode }: Examination): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const verdict =
    exitCode === 0
      ? `${scope} can be guarded from here${checks.every(({ state }) => state === "ok") ? "" : ", with limits"}`
      : exitCode === 5
        ? `${scope} can be guarded, but not by this user: run as root`
        : `${scope} cannot be guarded from here`;
  return [
    ...checks.flatMap((check) => linesOf(check, width)),
    "",
    "Not covered:",
    ...uncovered.map(({ what, why }) => `  - ${what} (${why})`),
    "",
    `${verdict}.`,
    "",
  ].join("\n");
}

function linesOf({ name, state, found, means, advice }: Check, width: number): string[] {
  const indent = " ".repeat(width + 11);
  const head = `${name.padEnd(width)}  ${state.padEnd(7)}  ${found}`;
  return advice === null ? [head] : [head, `${indent}${means}`, `${indent}to do: ${advice}`];
}
