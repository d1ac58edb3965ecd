import os from "node:os";
import { ExitCode, Fault } from "../../../core/fault.ts";
import type { Manifest } from "../../../core/dataset/manifest.ts";
import { type DatedMark, marksOf } from "../../../core/report/marks.ts";
import type { ReportNote } from "../../../core/report/model.ts";
import type { WallClock } from "../../../core/report/wall-clock.ts";
import { openLogFiles, readLog } from "../../cli/audit-lines.ts";
import { placesFor } from "../../coordinator/places.ts";

/** What happened shortly before the first sample, or after the last, belongs to it. */
const SLACK_MS = 5000;

export interface AuditRead {
  readonly marks: readonly DatedMark[];
  readonly notes: readonly ReportNote[];
}

interface AuditRequest {
  /** Null: where the guard that recorded, or else the host's guard has it, if the recording is of this host. */
  readonly file: string | null;
  readonly manifest: Pick<Manifest, "host" | "auditPath">;
  /** First and last sample, on the report's axis. */
  readonly span: { readonly fromMs: number; readonly toMs: number };
  readonly clock: WallClock;
}

/**
 * What the guard's audit log has of the time of a recording.
 * @throws Fault when a log that was asked for by name is not there; one that nobody named may be missing
 */
export function readAudit(request: AuditRequest): AuditRead {
  const { file } = request;
  const { host, auditPath } = request.manifest;
  if (file === null && host !== os.hostname())
    return only(
      `The recording is of the host ${host}, not of this one (${os.hostname()}): nothing is marked. Name its audit log with --audit.`,
    );
  const path = file ?? auditPath ?? placesFor("host", process.getuid?.() ?? 0, process.env).auditPath;
  try {
    return readFiles(path, request);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof Fault || file !== null) throw asFault(error as Error, path);
    if (code === undefined) throw error;
    return only(`The audit log ${path} could not be read (${message}): nothing is marked.`);
  }
}

function readFiles(path: string, { file, span, clock }: AuditRequest): AuditRead {
  const files = openLogFiles(path);
  if (files.length === 0) {
    if (file !== null)
      throw new Fault(ExitCode.fault, `expected an audit log at ${path}, found nothing; check --audit`);
    return only(
      `There is no audit log at ${path}: nothing is marked. Where a policy puts it elsewhere, say --audit.`,
    );
  }
  const belongs = ({ timeMs }: DatedMark): boolean =>
    timeMs >= span.fromMs - SLACK_MS && timeMs <= span.toMs + SLACK_MS;
  const marks: DatedMark[] = [];
  let lines = 0;
  let garbage = 0;
  for (const { descriptor } of files) {
    for (const read of readLog(descriptor)) {
      if ("found" in read) {
        garbage++;
        continue;
      }
      lines++;
      // Each by its own time: an action's steps may come long after it was begun.
      marks.push(...marksOf(read.line, clock.placeOf(read.timeMs)).filter(belongs));
    }
  }
  // A file that is none at all was named by mistake.
  if (file !== null && lines === 0 && garbage > 0)
    throw new Fault(ExitCode.fault, `expected an audit log at ${path}, found no line of one; check --audit`);
  const notes: ReportNote[] = [];
  if (garbage > 0)
    notes.push({ weight: "warning", text: `${garbage} lines of the audit log ${path} could not be read.` });
  if (marks.length === 0)
    notes.push({
      weight: "note",
      text: `The audit log ${path} has nothing of this time: the guard did nothing, or did not run.`,
    });
  return { marks, notes };
}

function only(text: string): AuditRead {
  return { marks: [], notes: [{ weight: "note", text }] };
}

function asFault(error: Error, path: string): Fault {
  if (error instanceof Fault) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const denied = code === "EACCES" || code === "EPERM";
  return new Fault(
    denied ? ExitCode.notPermitted : ExitCode.fault,
    `--audit ${path}: expected an audit log, found: ${message}; ${denied ? "read it as its owner" : "check the path"}`,
  );
}
