import fs from "node:fs";
import { parentPort } from "node:worker_threads";
import { type AuditLine, decisionLine, levelLine } from "../../core/audit/line.ts";
import { decisionSentence, levelSentence } from "../../core/audit/sentence.ts";
import {
  recommendationLine,
  recommendationSentence,
  rescueLine,
  rescueSentence,
  returnLine,
} from "../../core/audit/rescue.ts";
import {
  actionLine,
  actionSentence,
  resourceLevelLine,
  resourceLevelSentence,
} from "../../core/audit/resource.ts";
import type { Decision } from "../../core/memory/decision.ts";
import type { ActionReport, GuardEvent, Message, ProcessIdentity } from "../../core/messages.ts";
import { switchedOffSentence } from "../../core/policy/switches.ts";
import type { RescueReport } from "../../core/rescue/report.ts";
import type { ResourceChange, ResourceOutcome, ResourceReport } from "../../core/resources/report.ts";
import { KernelLog, Priority } from "../../native/kernel-log.ts";
import { WorkerContext } from "../common/worker.ts";
import { AuditLog } from "./audit-log.ts";
import { Quiet } from "./quiet.ts";

/** Who processes are is remembered for so many of them. */
const KNOWN_IDENTITIES = 4096;

/** Lines that wait for a disk are tried so often. */
const FLUSH_MS = 500;
/** Rescues of one cgroup are said aloud at most so often; and the same of one subject of another resource. */
const QUIET_MS = 10_000;

const PRIORITY_OF_VERDICT = {
  end: Priority.critical,
  spare: Priority.critical,
  nobody: Priority.critical,
  notify: Priority.warning,
} as const;

const PRIORITY_OF_OUTCOME: Readonly<Record<ResourceOutcome, number>> = {
  ended: Priority.critical,
  stuck: Priority.critical,
  refused: Priority.critical,
  failed: Priority.critical,
  unknown: Priority.critical,
  partly: Priority.warning,
  done: Priority.warning,
  gone: Priority.notice,
  recovered: Priority.notice,
  released: Priority.notice,
  noted: Priority.notice,
  "dry-run": Priority.notice,
};

/** The thread that writes things down: the audit log, the kernel log, and, by way of the coordinator, the terminal. */
class Recorder {
  readonly #context: WorkerContext;
  readonly #audit: AuditLog | null;
  readonly #kernelLog: KernelLog | null;
  readonly #identities = new Map<string, ProcessIdentity>();
  /** Decisions whose end has not been heard of. */
  readonly #open = new Map<string, { decision: Decision; wallMs: number }>();
  /** When a rescue of a cgroup was last said aloud. */
  readonly #rescuesSaidMs = new Map<string, number>();
  readonly #quiet = new Quiet(QUIET_MS);
  #waitingWhy: string | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(context: WorkerContext) {
    const { auditPath, policy, descriptors } = context.start;
    this.#context = context;
    this.#audit = auditPath === null ? null : new AuditLog(auditPath, policy.record.auditLimitBytes);
    this.#kernelLog = descriptors.kernelLog < 0 ? null : KernelLog.adopt(descriptors.kernelLog);
  }

  run(): void {
    const port = parentPort;
    if (port === null) throw new Error("the recorder is a worker");
    port.on("message", ({ message }: { message: Message }) => {
      if (!this.#context.alive()) process.exit();
      const goesOn = this.#take(message);
      this.#context.tookLetter();
      if (goesOn) return this.#rest();
      clearTimeout(this.#timer);
      this.#close();
      port.close();
    });
    this.#context.ready();
    this.#rest();
  }

  /** Waits for a letter; and for its time, while lines wait for a disk that takes them. */
  #rest(): void {
    const longestMs = this.#context.rest();
    clearTimeout(this.#timer);
    const again = (): void => {
      if (!this.#context.alive()) process.exit();
      this.#flush();
      this.#rest();
    };
    this.#timer = setTimeout(again, this.#waitingWhy === null ? longestMs : FLUSH_MS);
  }

  /** @returns false when the worker is to stop */
  #take(message: Message): boolean {
    switch (message.type) {
      case "identities":
        this.#learn(message.identities);
        return true;
      case "level": {
        this.#write(levelLine(message.change, Date.now()));
        this.#say("info", Priority.notice, levelSentence(message.change));
        return true;
      }
      case "decision":
        this.#takeDecision(message.decision, message.wallMs);
        return true;
      case "outcome":
        this.#takeOutcome(message.report);
        return true;
      case "event":
        this.#takeEvent(message.event);
        return true;
      case "rescue":
        this.#write(rescueLine(message.report));
        this.#sayRescue(message.report);
        return true;
      case "returned":
        this.#write(returnLine(message.report));
        return true;
      case "recommendation": {
        this.#write(recommendationLine(message.recommendation, Date.now()));
        this.#say("warn", Priority.notice, recommendationSentence(message.recommendation));
        return true;
      }
      case "resource-level":
        this.#takeChange(message.change);
        return true;
      case "resource-report":
        this.#takeReport(message.report);
        return true;
      // What numbers stand for is in the reports' words already.
      case "names":
      case "policy":
        return true;
      case "stop":
        return false;
      default:
        throw new Error(`the recorder knows no message ${message.type}`);
    }
  }

  #takeDecision(decision: Decision, wallMs: number): void {
    if (decision.verdict === "end" || decision.verdict === "notify") {
      this.#open.set(decision.id, { decision, wallMs });
      // The kernel log is written to before the outcome is known: it survives what the guard may not.
      if (decision.verdict === "end")
        this.#kernel(Priority.critical, decisionSentence(decision, null, this.#identityOf));
      return;
    }
    this.#write(decisionLine(decision, wallMs, null, this.#identityOf));
    this.#say(
      "warn",
      PRIORITY_OF_VERDICT[decision.verdict],
      decisionSentence(decision, null, this.#identityOf),
    );
  }

  #takeOutcome(report: ActionReport): void {
    const open = this.#open.get(report.id);
    if (open === undefined) return;
    this.#open.delete(report.id);
    const { decision, wallMs } = open;
    this.#write(decisionLine(decision, wallMs, report, this.#identityOf));
    this.#say(
      "warn",
      PRIORITY_OF_VERDICT[decision.verdict],
      decisionSentence(decision, report, this.#identityOf),
    );
  }

  #takeEvent(event: GuardEvent): void {
    this.#write({ ...event, time: new Date().toISOString() });
    if (event.event === "gap") {
      const after = `${event.restartedAfterMs} ms`;
      this.#kernel(
        Priority.warning,
        `the ${event.worker} thread failed (${event.why}) and was started again after ${after}`,
      );
    }
    if (event.event === "started")
      this.#kernel(Priority.notice, `guarding ${event.scope}, policy ${event.policy}`);
    if (event.event === "switched-off") {
      const { words, switchedOff, unknown } = event;
      this.#kernel(Priority.notice, switchedOffSentence(words, switchedOff, unknown));
    }
    if (event.event === "stopped") this.#kernel(Priority.notice, `stopped: ${event.reason}`);
  }

  /** Of rescues that follow each other closely the first is said; all are in the audit log. The kernel takes few lines. */
  #sayRescue(report: RescueReport): void {
    const sinceMs = report.wallMs - (this.#rescuesSaidMs.get(report.path) ?? 0);
    if (report.outcome === "raised" && sinceMs < QUIET_MS) return;
    this.#rescuesSaidMs.set(report.path, report.wallMs);
    this.#say(report.outcome === "raised" ? "info" : "warn", Priority.notice, rescueSentence(report));
  }

  #takeChange(change: ResourceChange): void {
    this.#write(resourceLevelLine(change, Date.now()));
    const { resource, subject, level } = change;
    if (!this.#quiet.may([resource, subject, level, change.change], Date.now())) return;
    this.#say("info", Priority.notice, resourceLevelSentence(change));
  }

  /** All are in the audit log; of those that say the same of the same, the first is said. The kernel takes few lines. */
  #takeReport(report: ResourceReport): void {
    this.#write(actionLine(report, this.#identityOf));
    const { resource, subject, verb, target, outcome } = report;
    if (!this.#quiet.may([resource, subject, verb, target, outcome], report.wallMs)) return;
    const priority = report.dryRun ? Priority.notice : PRIORITY_OF_OUTCOME[outcome];
    const severity = priority <= Priority.warning ? "warn" : "info";
    this.#say(severity, priority, actionSentence(report, this.#identityOf));
  }

  readonly #identityOf = (pid: number, startTicks: number): ProcessIdentity | null => {
    return this.#identities.get(`${pid}:${startTicks}`) ?? this.#askKernel(pid, startTicks);
  };

  /** Somebody small enough not to have been announced; the name is all that is worth asking for. */
  #askKernel(pid: number, startTicks: number): ProcessIdentity | null {
    try {
      const stat = fs.readFileSync(`${this.#context.start.roots.proc}/${pid}/stat`, "utf8");
      const end = stat.lastIndexOf(")");
      if (Number(stat.slice(end + 2).split(" ")[19]) !== startTicks) return null;
      const name = stat.slice(stat.indexOf("(") + 1, end);
      return { pid, startTicks, name, commandLine: null, uid: null, cgroup: null };
    } catch {
      return null;
    }
  }

  #learn(identities: readonly ProcessIdentity[]): void {
    for (const identity of identities) {
      const key = `${identity.pid}:${identity.startTicks}`;
      this.#identities.delete(key);
      this.#identities.set(key, identity);
    }
    while (this.#identities.size > KNOWN_IDENTITIES) {
      this.#identities.delete(this.#identities.keys().next().value as string);
    }
  }

  #say(severity: "info" | "warn", priority: number, sentence: string): void {
    this.#context.send("coordinator", { type: "log", severity, text: sentence });
    this.#kernel(priority, sentence);
  }

  #kernel(priority: number, sentence: string): void {
    this.#kernelLog?.write(priority, sentence);
  }

  #write(line: AuditLine): void {
    if (this.#audit === null) return;
    this.#noticeWaiting(this.#audit.write(line));
  }

  #flush(): void {
    if (this.#audit === null || this.#waitingWhy === null) return;
    this.#noticeWaiting(this.#audit.flush());
    const lost = this.#audit.takeLost();
    if (lost > 0)
      this.#takeEvent({ event: "line-lost", lines: lost, why: this.#waitingWhy ?? "the disk was full" });
  }

  #noticeWaiting(why: string | null): void {
    if (why !== null && this.#waitingWhy === null) {
      this.#context.log("error", `the audit log cannot be written, its lines wait in memory: ${why}`);
    }
    this.#waitingWhy = why;
  }

  /** What has no outcome yet goes on record without one. */
  #close(): void {
    for (const { decision, wallMs } of this.#open.values()) {
      this.#write({ ...decisionLine(decision, wallMs, null, this.#identityOf), outcome: "unknown" });
    }
    this.#audit?.close();
  }
}

new Recorder(WorkerContext.current()).run();
