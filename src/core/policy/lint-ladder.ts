import type { AppRung } from "./applications.ts";
import type { Report } from "./finding.ts";
import type { KeyPath } from "./locate.ts";
import type { Rung } from "./policy.ts";
import type { CpuRung, DiskRung, IoRung } from "./resources.ts";

/** What is odd about any ladder, whatever it is for. */
export function lintSteps(path: KeyPath, ladder: readonly AnyRung[], report: Report): void {
  const kill = ladder.findIndex((rung) => rung.action === "sigkill");
  ladder.forEach((rung, index) => {
    if (rung.action === "command" && rung.command.trim() === "") {
      report("error", [...path, index, "run"], {
        expected: "a command line",
        found: "an empty one",
        advice: "write the command, or remove the step",
      });
    }
    if (kill >= 0 && index > kill) {
      report("warning", [...path, index], {
        expected: "sigkill as the last step",
        found: `${rung.action} after it`,
        advice: "after SIGKILL the next victim is considered, and its ladder begins anew; remove the step",
      });
    }
  });
  if (ladder.length > 0) return;
  report("warning", path, {
    expected: "at least one step",
    found: "none",
    advice: 'write ["log"], or switch the level off',
  });
}

export type AnyRung = Rung | CpuRung | DiskRung | IoRung | AppRung;
