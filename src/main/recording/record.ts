import path from "node:path";
import { ExitCode, Fault } from "../../core/fault.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { findMemoryHierarchy, type MemoryHierarchy } from "../../workers/common/cgroup-path.ts";
import { HOST_ROOTS } from "../../workers/common/roots.ts";
import type { RecordOptions } from "../cli/record-command.ts";
import { loadPolicyApart } from "../config/load-policy-apart.ts";
import { settle, startSmall } from "../coordinator/footprint.ts";
import { openLog } from "../coordinator/log.ts";
import { raisePriority } from "../coordinator/self-protection.ts";
import { countMatching } from "./choice.ts";
import { claimDirectory, releaseDirectory } from "./directory.ts";
import { type RecordRequest, recordingPolicy } from "./policy.ts";
import { plainLine, type Progress, progressLine, summaryOf, summaryText } from "./progress.ts";
import { Recording } from "./recording.ts";
import { recordingSpan, type Span } from "./span.ts";

/** The wall clock may be set: it is looked at this often while one of its times is waited for. */
const LOOK_MS = 1000;
const PROGRESS_TERMINAL_MS = 250;
const PROGRESS_PLAIN_MS = 10_000;

/**
 * Records as the command line says, until its end or a signal.
 * @returns the exit code
 * @throws Fault for what cannot be begun
 */
export async function record(options: RecordOptions, request: RecordRequest): Promise<ExitCode> {
  const directory = path.resolve(options.out);
  const span = recordingSpan(options, Date.now());
  const base = loadPolicyApart({ file: options.config, profile: options.profile });
  requireApplications(request, base);
  const hierarchy = hierarchyFor(request);
  const cgroups = hierarchy === null ? 0 : countMatching(hierarchy, request.patterns);
  claimDirectory(directory);
  const told = new Told();
  const log = await openLog(false);
  if (span.fromMs !== null) {
    log.info(`waiting until ${new Date(span.fromMs).toISOString()} to record in ${directory}`);
    await told.wait(untilWall(span.fromMs));
    if (told.signal !== null) {
      releaseDirectory(directory);
      log.info(`${told.signal} before the begin: nothing was recorded`);
      return ExitCode.done;
    }
  }
  startSmall();
  raisePriority();
  const policy = recordingPolicy(base, request);
  const roots = HOST_ROOTS;
  const recording = new Recording({ directory, request, policy, roots, cgroups, log });
  try {
    await recording.start();
    settle();
    const what = request.recorded.map((each) => (each === "cgroups" ? `${cgroups} cgroups` : each));
    log.info(`recording ${what.join(", ")} in ${directory}`);
    const stopProgress = showProgress(recording, span);
    await told.wait(endOf(span));
    stopProgress();
  } catch (error) {
    await recording.stop().catch(() => undefined);
    throw asFault(directory, error as NodeJS.ErrnoException);
  }
  const { cgroups: followed } = recording.figures;
  const manifest = await recording.stop();
  const summary = summaryOf(directory, manifest, followed ?? 0, recording.figures.gaps);
  process.stdout.write(
    options.json === true ? `${JSON.stringify(summary, null, 2)}\n` : summaryText(summary),
  );
  if (manifest.complete) return ExitCode.done;
  log.error("the dataset is not complete: its end could not be written; what was written before can be read");
  return ExitCode.fault;
}

/** @throws Fault when cgroups are to be recorded and there is no memory controller */
function hierarchyFor({ recorded }: RecordRequest): MemoryHierarchy | null {
  if (!recorded.includes("cgroups")) return null;
  const hierarchy = findMemoryHierarchy(HOST_ROOTS.cgroup);
  if (hierarchy !== null) return hierarchy;
  throw new Fault(
    ExitCode.unsupportedHost,
    `expected a cgroup hierarchy with the memory controller below ${HOST_ROOTS.cgroup}, found none; see "plimsoll doctor", or record other resources (--resource)`,
  );
}

/** @throws Fault (usage) when applications are to be recorded and the policy has none */
function requireApplications({ recorded }: RecordRequest, { app }: Policy): void {
  if (!recorded.includes("app") || app.applications.length > 0) return;
  throw new Fault(
    ExitCode.usage,
    "--resource app: expected a policy that says which processes are an application's, found none in it; name one by --profile (such as nso) or --config",
  );
}

function asFault(directory: string, error: NodeJS.ErrnoException): Fault {
  if (error instanceof Fault) return error;
  const notPermitted = error.code === "EACCES" || error.code === "EPERM";
  return new Fault(
    notPermitted ? ExitCode.notPermitted : ExitCode.fault,
    `expected to record in ${directory}, found: ${error.message}`,
    { cause: error },
  );
}

/** Whether somebody has said that it is enough. */
class Told {
  signal: string | null = null;
  readonly #came: Promise<void>;

  constructor() {
    this.#came = new Promise((resolve) => {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
        process.on(signal, () => {
          // Somebody who says it twice does not want to wait. The dataset is readable up to its last write.
          if (this.signal !== null) process.exit(ExitCode.fault);
          this.signal = signal;
          resolve();
        });
      }
    });
  }

  /** Until then, or until told. */
  async wait(until: Promise<void>): Promise<void> {
    await Promise.race([until, this.#came]);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function untilWall(wallMs: number): Promise<void> {
  for (let left = wallMs - Date.now(); left > 0; left = wallMs - Date.now())
    await pause(Math.min(left, LOOK_MS));
}

/** Waits for the end, for ever where there is none. */
async function endOf({ toMs, durationMs }: Span): Promise<void> {
  if (toMs !== null) return untilWall(toMs);
  const endMs = performance.now() + (durationMs ?? Number.POSITIVE_INFINITY);
  // A timer's time is limited to 2^31 ms.
  for (let left = endMs - performance.now(); left > 0; left = endMs - performance.now())
    await pause(Math.min(left, LOOK_MS));
}

/** Shows on stderr how far it is. @returns how to stop that */
function showProgress(recording: Recording, { toMs, durationMs }: Span): () => void {
  const terminal = process.stderr.isTTY;
  const beganMs = performance.now();
  const wholeMs = durationMs ?? (toMs === null ? null : toMs - Date.now());
  const show = (): void => {
    const progress: Progress = { elapsedMs: performance.now() - beganMs, wholeMs };
    if (!terminal) return void process.stderr.write(`${plainLine(recording.figures, progress)}\n`);
    const line = progressLine(recording.figures, progress, process.stderr.columns);
    // Over the old line, and then away with what was longer of it: nothing is ever blank in between.
    process.stderr.write(`\r${line}\x1b[K`);
  };
  if (terminal) show();
  const timer = setInterval(show, terminal ? PROGRESS_TERMINAL_MS : PROGRESS_PLAIN_MS);
  return () => {
    clearInterval(timer);
    if (terminal) process.stderr.write("\r\x1b[K");
  };
}
