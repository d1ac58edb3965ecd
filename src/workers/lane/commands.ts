import { spawn } from "node:child_process";
import fs from "node:fs";
import type { Culprit } from "../../core/cpu/action.ts";
import type { Rung } from "../../core/policy/policy.ts";
import type { ActionHead } from "../../core/resources/report.ts";
import type { Resource } from "../../core/resources/resource.ts";
import type { ClimbCommands } from "../action/climb-tools.ts";
import { TIMED_OUT } from "../action/helper-talk.ts";

/**
 * The shell gets the deadline in seconds and the command. timeout(1) makes a process group and ends that; the guard's own
 * priority for the OOM killer is not the command's.
 */
const RUN = `echo 0 2>/dev/null >/proc/self/oom_score_adj; exec timeout -k 1 "$0" sh -c "$1"`;

/** Runs the commands of a lane's ladder by an event loop: children of the lane's own, as a lane may take its time. */
export class LaneCommands implements ClimbCommands {
  readonly #variables: Readonly<Record<string, string>>;
  readonly #results = new Map<string, string>();

  /** @param variables set besides those of the guard: {@link commandVariables} */
  constructor(variables: Readonly<Record<string, string>>) {
    this.#variables = variables;
  }

  start(tag: string, rung: Extract<Rung, { action: "command" }>): string | null {
    const child = spawn("/bin/sh", ["-c", RUN, String(rung.deadlineMs / 1000), rung.command], {
      detached: true,
      stdio: ["ignore", 2, 2],
      env: { ...process.env, ...this.#variables },
    });
    child.once("error", (error) => this.#results.set(tag, `could not be started: ${error.message}`));
    child.once("exit", (code, signal) =>
      this.#results.set(tag, code === TIMED_OUT ? "ended at its deadline" : `exit ${code ?? signal}`),
    );
    return null;
  }

  result(tag: string): string | null {
    const result = this.#results.get(tag) ?? null;
    this.#results.delete(tag);
    return result;
  }
}

/**
 * What a ladder's command is told, as with memory's: PLIMSOLL_ID, PLIMSOLL_LEVEL, PLIMSOLL_VICTIM_PID, PLIMSOLL_VICTIM_NAME;
 * and PLIMSOLL_RESOURCE, PLIMSOLL_SUBJECT, and every figure by its name: busyShare is PLIMSOLL_BUSY_SHARE.
 */
export function commandVariables(
  procRoot: string,
  action: ActionHead & { readonly resource: Resource },
  culprit: Culprit | null,
): Record<string, string> {
  const figures = Object.entries(action.numbers).map(([name, value]) => [
    `PLIMSOLL_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
    String(value ?? ""),
  ]);
  return {
    ...(Object.fromEntries(figures) as Record<string, string>),
    PLIMSOLL_ID: action.id,
    PLIMSOLL_LEVEL: "critical",
    PLIMSOLL_RESOURCE: action.resource,
    PLIMSOLL_SUBJECT: action.subject,
    PLIMSOLL_VICTIM_PID: culprit === null ? "" : String(culprit.pid),
    PLIMSOLL_VICTIM_NAME: culprit === null ? "" : nameOf(procRoot, culprit.pid),
  };
}

function nameOf(procRoot: string, pid: number): string {
  try {
    return fs.readFileSync(`${procRoot}/${pid}/comm`, "utf8").replace(/\n$/, "");
  } catch {
    return "";
  }
}
