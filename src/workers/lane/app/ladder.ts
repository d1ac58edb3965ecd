import type { AppAction } from "../../../core/app/action.ts";
import type { ActionStep } from "../../../core/messages.ts";
import type { AppRung } from "../../../core/policy/applications.ts";
import type { ProcessRef, ResourceOutcome } from "../../../core/resources/report.ts";
import { monotonicUs } from "../../common/clock.ts";
import { runCommand } from "./command.ts";
import { takeDumps, type DumpingOptions } from "./dumping.ts";
import { AppTarget, type Signalled } from "./target.ts";
import { WaitedFile } from "./waited-file.ts";

export interface AppLadderOptions {
  readonly action: AppAction;
  readonly main: ProcessRef;
  readonly procRoot: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly dumping: Pick<DumpingOptions, "directory" | "owners" | "limitBytes">;
  /** Whether the level still stands: asked before whoever is to end is signalled, but for the first step. */
  readonly levelStands: () => boolean;
  /** Calls it off: what runs is killed, and nothing is begun any more. */
  readonly signal: AbortSignal;
}

export interface AppLadderResult {
  /** What it came to: the gravest that was done. */
  readonly verb: "end" | "signal" | "dump" | "command" | "note";
  readonly outcome: ResourceOutcome;
  readonly victims: readonly ProcessRef[];
  readonly steps: readonly ActionStep[];
}

/** After its last line, a large process still has its memory to give back. */
const AFTER_DUMP_MS = 10_000;

const VERBS = ["note", "command", "dump", "signal", "end"] as const;
type EndingRung = Extract<AppRung, { action: "signal" | "sigterm" | "sigkill" }>;

const NAME_OF = { sigterm: "SIGTERM", sigkill: "SIGKILL" } as const;

/** Climbs an application's ladder: every step in its turn, each with its deadline. Never rejects. */
export class AppLadder {
  readonly #options: AppLadderOptions;
  readonly #target: AppTarget;
  readonly #steps: ActionStep[] = [];
  /** What steps are to wait for, found while the process lives. */
  readonly #files = new Map<AppRung, WaitedFile>();
  #verb = 0;
  #signalled = false;
  #done = 0;
  #failed = 0;
  #over: ResourceOutcome | null = null;

  constructor(options: AppLadderOptions) {
    this.#options = options;
    this.#target = new AppTarget(options.procRoot, options.main);
  }

  async climb(): Promise<AppLadderResult> {
    const { rungs } = this.#options.action;
    try {
      for (const [index, rung] of rungs.entries()) {
        if (this.#over !== null || this.#options.signal.aborted) break;
        await this.#take(rung, rungs[index + 1]);
      }
      return this.#result();
    } finally {
      for (const file of this.#files.values()) file.close();
      this.#target.close();
    }
  }

  #result(): AppLadderResult {
    const victims = this.#signalled ? [this.#target.ref] : [];
    return { verb: VERBS[this.#verb] ?? "note", outcome: this.#outcome(), victims, steps: this.#steps };
  }

  #outcome(): ResourceOutcome {
    if (this.#options.action.dryRun && this.#steps.length > 0) return "dry-run";
    if (this.#signalled && this.#target.hasEnded && this.#failed === 0) return "ended";
    if (this.#over !== null) return this.#over;
    const cutShort = this.#options.signal.aborted;
    if (cutShort) this.#note("stop", monotonicUs(), String(this.#options.signal.reason));
    if (this.#done === 0 && this.#failed === 0) return cutShort ? "failed" : "noted";
    if (this.#failed === 0 && !cutShort) return "done";
    return this.#done > 0 ? "partly" : "failed";
  }

  async #take(rung: AppRung, next: AppRung | undefined): Promise<void> {
    const sinceUs = monotonicUs();
    if (this.#options.action.dryRun) return this.#wouldTake(rung, sinceUs);
    switch (rung.action) {
      case "log":
        return this.#note("log", sinceUs, "recorded");
      case "command":
        return this.#command(rung, sinceUs);
      case "dump":
        return this.#dump(rung);
      case "wait":
        return this.#wait(rung, sinceUs);
      case "signal":
      case "sigterm":
      case "sigkill":
        return this.#end(rung, next, sinceUs);
    }
  }

  #wouldTake(rung: AppRung, sinceUs: number): void {
    const what =
      rung.action === "command" || rung.action === "dump" ? `${rung.action}: ${rung.command}` : nameOf(rung);
    this.#reach(rung);
    this.#note(rung.action === "log" ? "log" : `would ${what}`, sinceUs, "dry run");
  }

  async #command(rung: Extract<AppRung, { action: "command" }>, sinceUs: number): Promise<void> {
    const { variables, signal } = this.#options;
    const { command, deadlineMs } = rung;
    this.#reach(rung);
    const end = await runCommand({ command, variables, deadlineMs, stdout: null, signal });
    this.#note(`run: ${command}`, sinceUs, end.text);
    this.#count(end.ok);
  }

  async #dump(rung: Extract<AppRung, { action: "dump" }>): Promise<void> {
    const { action, dumping, variables, signal } = this.#options;
    const stem = `${action.application}-${action.level}`;
    this.#reach(rung);
    await takeDumps(rung, { ...dumping, stem, variables, signal }, ({ ok, text }, beganMs) => {
      const tookUs = (performance.now() - beganMs) * 1000;
      this.#note(`dump: ${rung.command}`, monotonicUs() - tookUs, text);
      this.#count(ok);
    });
  }

  async #wait(rung: Extract<AppRung, { action: "wait" }>, sinceUs: number): Promise<void> {
    const file = this.#files.get(rung) ?? this.#place(rung);
    const end = await file.wait(() => this.#target.hasEnded, this.#options.signal);
    this.#note(`wait for ${file.path}`, sinceUs, end.text);
    this.#count(end.whole);
    // Whoever has written its last is about to go: with that the ladder is over, and its memory is back.
    if (end.whole && this.#signalled) await this.#target.waitEnded(AFTER_DUMP_MS, this.#options.signal);
  }

  /** Signals it, and gives it until the deadline to end; but what is waited for next is waited for at once. */
  async #end(rung: EndingRung, next: AppRung | undefined, sinceUs: number): Promise<void> {
    const name = nameOf(rung);
    if (this.#steps.some(({ what }) => what !== "log") && !this.#options.levelStands()) {
      this.#note(name, sinceUs, "not sent: the level is over");
      this.#over = "recovered";
      return;
    }
    this.#placeFiles();
    const signalled = this.#target.signal(name);
    this.#note(name, sinceUs, textOf(signalled, this.#target.ref.pid));
    if (signalled !== "sent") {
      this.#over = signalled === "gone" ? (this.#signalled ? "ended" : "gone") : "refused";
      return;
    }
    this.#reach(rung);
    this.#signalled = true;
    this.#count(true);
    if (next?.action === "wait") return;
    const waitUs = monotonicUs();
    const ended = await this.#target.waitEnded(rung.deadlineMs, this.#options.signal);
    const isLast = next === undefined;
    if (ended) this.#over = "ended";
    else if (rung.action === "sigkill") this.#over = "stuck";
    // A signal may be for a dump alone: that it lives on is said where it was to end.
    if (ended || rung.action !== "signal" || isLast)
      this.#note("wait for its end", waitUs, ended ? "gone" : "lives on at the deadline");
  }

  /** Before the first signal, as long as its working directory and its environment can be read. */
  #placeFiles(): void {
    for (const rung of this.#options.action.rungs)
      if (rung.action === "wait" && !this.#files.has(rung)) this.#place(rung);
  }

  #place(rung: Extract<AppRung, { action: "wait" }>): WaitedFile {
    const file = new WaitedFile(this.#options.procRoot, this.#target.ref.pid, rung);
    this.#files.set(rung, file);
    return file;
  }

  #reach(rung: AppRung): void {
    const verb = verbOf(rung);
    if (verb !== null) this.#verb = Math.max(this.#verb, VERBS.indexOf(verb));
  }

  #count(ok: boolean): void {
    if (ok) this.#done++;
    else this.#failed++;
  }

  #note(what: string, sinceUs: number, result: string): void {
    const round = (us: number): number => Math.round(us) / 1000;
    const { atUs } = this.#options.action;
    this.#steps.push({
      what,
      afterMs: round(sinceUs - atUs),
      tookMs: round(monotonicUs() - sinceUs),
      result,
    });
  }
}

function verbOf(rung: AppRung): AppLadderResult["verb"] | null {
  switch (rung.action) {
    case "sigterm":
    case "sigkill":
      return "end";
    case "log":
    case "wait":
      return null;
    default:
      return rung.action;
  }
}

function nameOf(rung: AppRung): string {
  if (rung.action === "signal") return rung.signal;
  return rung.action === "sigterm" || rung.action === "sigkill" ? NAME_OF[rung.action] : rung.action;
}

function textOf(signalled: Signalled, pid: number): string {
  if (signalled === "sent") return `sent to pid ${pid}`;
  return signalled === "gone" ? `pid ${pid} is gone` : `refused: ${signalled.refusal}`;
}
