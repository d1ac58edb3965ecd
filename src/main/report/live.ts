import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ExitCode, Fault } from "../../core/fault.ts";
import { findMemoryHierarchy } from "../../workers/common/cgroup-path.ts";
import { HOST_ROOTS } from "../../workers/common/roots.ts";
import type { ReportOptions } from "../cli/report-command.ts";

const PROGRAM = fileURLToPath(new URL("../cli/bin.js", import.meta.url));

/**
 * Records this host, then has a report made of it. Ctrl-C ends the recording early, and the report is of what there is.
 * @param keep where the recording is to stay; null: nowhere
 * @throws Fault with the exit code of the recording when it fails; why, it has said
 */
export async function recordLive(
  keep: string | null,
  options: ReportOptions,
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const temporary = keep === null ? fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-live-")) : null;
  const directory = keep ?? path.join(temporary as string, "live");
  try {
    await recordInto(directory, options);
    await use(directory);
  } finally {
    if (temporary !== null) fs.rmSync(temporary, { recursive: true, force: true });
  }
}

/** By a process of its own: it gives up memory and takes priority, which the drawing shall not. */
async function recordInto(directory: string, options: ReportOptions): Promise<void> {
  const { live = "", profile, config, interval } = options;
  const named = profile !== undefined || config !== undefined;
  const resources = [
    ...(findMemoryHierarchy(HOST_ROOTS.cgroup) === null ? [] : ["cgroups"]),
    "memory",
    "cpu",
    "io",
    ...(named ? ["app"] : []),
  ];
  // The host's memory beside cgroups is sampled with their details: at each tick here, as it is not for long.
  const details = resources.includes("cgroups") ? ["--stat-every", "1"] : [];
  const words = [
    "record",
    "--out",
    directory,
    "--duration",
    live,
    "--resource",
    resources.join(","),
    ...details,
  ];
  for (const [option, value] of Object.entries({ profile, config, interval }))
    if (value !== undefined) words.push(`--${option}`, value);
  const recorder = spawn(process.execPath, [PROGRAM, ...words], { stdio: ["ignore", "ignore", "inherit"] });
  // From a terminal both get Ctrl-C; from elsewhere only this one does.
  const pass = (signal: NodeJS.Signals): void => void recorder.kill(signal);
  const tell = (): void => pass("SIGTERM");
  const stay = (): void => undefined;
  process.on("SIGTERM", tell);
  process.on("SIGINT", process.stdin.isTTY ? stay : tell);
  const code = await new Promise<number | null>((resolve, reject) => {
    recorder.once("error", reject);
    recorder.once("exit", (exit) => resolve(exit));
  });
  process.removeAllListeners("SIGTERM").removeAllListeners("SIGINT");
  if (code === ExitCode.done) return;
  const known = Object.values(ExitCode).find((each) => each === code) ?? ExitCode.fault;
  throw new Fault(
    known,
    "expected to record this host for the report, found that it failed, as it says above",
  );
}
