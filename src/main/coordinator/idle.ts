import path from "node:path";
import type { GuardEvent } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { describeSwitches, type KernelSwitches, switchedOffSentence } from "../../core/policy/switches.ts";
import { closeDescriptor } from "../../native/descriptor.ts";
import { KernelLog, openKernelLog, Priority } from "../../native/kernel-log.ts";
import { AuditLog } from "../../workers/recorder/audit-log.ts";
import type { Log } from "./log.ts";
import { makeDirectory } from "./places.ts";

/** What the record says of switches. */
export function switchedOffEvent({ words, switchedOff, unknown }: KernelSwitches): GuardEvent {
  return { event: "switched-off", words, switchedOff, unknown };
}

export interface IdleOptions {
  readonly policy: Policy;
  readonly switches: KernelSwitches;
  /** Where the audit log is, if the policy does not say. */
  readonly auditPath: string;
  readonly kernelLogPath: string;
  readonly log: Log;
}

/**
 * A guard that is switched off as a whole: says so, and does nothing until it is told to stop. It does not end by
 * itself, or a supervisor would start it again and again; no thread, no lock, no native call but the kernel log's.
 * @param told resolves with the reason to stop
 */
export async function idle(options: IdleOptions, told: Promise<string>): Promise<void> {
  const { log, switches } = options;
  const startedMs = Date.now();
  const said = describeSwitches(switches) ?? "everything is switched off";
  log.warn(`${said}: nothing is guarded`);
  const { words, switchedOff, unknown } = switches;
  record(options, switchedOffEvent(switches), switchedOffSentence(words, switchedOff, unknown));
  // A promise alone keeps no process.
  const alive = setInterval(() => undefined, 2 ** 30);
  const reason = await told;
  clearInterval(alive);
  record(options, { event: "stopped", reason, uptimeMs: Date.now() - startedMs }, `stopped: ${reason}`);
}

/** That it cannot be recorded is told, and changes nothing: there is nothing to do. */
function record(
  { policy, auditPath, kernelLogPath, log }: IdleOptions,
  event: GuardEvent,
  text: string,
): void {
  const wished = policy.record.auditPath ?? auditPath;
  try {
    makeDirectory(path.dirname(wished), 0o750);
    const audit = new AuditLog(wished, policy.record.auditLimitBytes);
    const refusal = audit.write({ ...event, time: new Date().toISOString() });
    audit.close();
    if (refusal !== null) log.warn(`not recorded: ${refusal}`);
  } catch (error) {
    log.warn(`not recorded: ${(error as Error).message}`);
  }
  if (!policy.record.kmsg) return;
  try {
    const descriptor = openKernelLog(kernelLogPath);
    KernelLog.adopt(descriptor).write(Priority.notice, text);
    closeDescriptor(descriptor);
  } catch {
    // The log on stderr has said it.
  }
}
