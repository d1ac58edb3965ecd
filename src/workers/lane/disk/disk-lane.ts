import fs from "node:fs";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import type { DiskAction } from "../../../core/disk/action.ts";
import { type JudgedWriter, judgeWriters } from "../../../core/disk/filler.ts";
import type { Walk } from "../../../core/memory/decision.ts";
import { WalkReader } from "../../../core/memory/walk-from-ring.ts";
import type { ActionStep } from "../../../core/messages.ts";
import type { Policy } from "../../../core/policy/policy.ts";
import type { ResourceReport } from "../../../core/resources/report.ts";
import type { Figures } from "../../../core/resources/resource.ts";
import { RingReader } from "../../../core/ring/reader.ts";
import { formatBytes } from "../../../core/units.ts";
import { raiseEvent } from "../../../native/event.ts";
import { monotonicUs, overNow } from "../../common/clock.ts";
import type { WorkerContext } from "../../common/worker.ts";
import { commandVariables, LaneCommands } from "../commands.ts";
import { climbLadder } from "../ladder.ts";
import type { LaneWork } from "../lane.ts";
import { amount, type FreeRoom, freeRoom, Reclaimer } from "./reclaim.ts";
import { Writing } from "./writing.ts";

type Reclaim = Extract<DiskAction, { kind: "reclaim" }>;
type Filler = Extract<DiskAction, { kind: "filler" }>;

/** A walk over the processes is waited for this long. */
const WALK_WAIT_MS = 3000;
const LOOK_MS = 5;
/** Candidates that are named, at most. */
const NAMED_MOST = 10;
/** Files of one candidate that are named, at most. */
const FILES_NAMED_MOST = 3;

const REMOTE =
  "behind it is a server or a process that may hang: nothing is removed there, nor is looked for who fills it";

/** What came of an action, but for what every report says. */
type Came = Pick<
  ResourceReport,
  "verb" | "target" | "victims" | "outcome" | "after" | "steps" | "candidates"
>;

/** The disk's slow work: removes listed files; finds who fills a mount, and climbs the ladder for it. */
export class DiskLane implements LaneWork<DiskAction> {
  /** What it does is done for good: nothing is to be undone. */
  readonly holds = false;
  readonly #context: WorkerContext;
  readonly #reclaimer: Reclaimer;
  readonly #writing: Writing;
  readonly #walks: WalkReader;
  readonly #stuck = new Set<string>();
  #policy: Policy;

  constructor(context: WorkerContext) {
    const { roots, policy, processRing, auditPath } = context.start;
    this.#context = context;
    this.#policy = policy;
    this.#reclaimer = new Reclaimer(roots.proc, auditPath === null ? [] : [auditPath]);
    this.#writing = new Writing(roots.proc);
    this.#walks = new WalkReader(new RingReader(processRing));
  }

  prepare(): void {
    // Not within the letter's turn: a long search is no hanging.
    setImmediate(() => {
      this.#reclaimer.prepare(this.#policy.disk.places);
      this.#writing.prepare();
    });
  }

  takePolicy(policy: Policy): void {
    this.#policy = policy;
  }

  close(): void {}

  async act(action: DiskAction): Promise<ResourceReport> {
    await turn();
    const { id, subject, why, dryRun } = action;
    let before: Figures = action.numbers;
    let came: Came;
    try {
      if (action.mount.remote) throw new Error(REMOTE);
      const device = deviceOf(action);
      before = figuresOf(freeRoom(action.mount.path));
      came =
        action.kind === "reclaim" ? await this.#reclaim(action, device) : await this.#fill(action, device);
    } catch (error) {
      const steps = [stepOf(action, action.kind, action.atUs, (error as Error).message)];
      if (action.kind === "filler") steps.push(...(await this.#commandsOnly(action)));
      came = nothing(action.kind === "reclaim" ? "reclaim" : "end", before, steps);
    }
    return { id, resource: "disk", subject, why, dryRun, before, ...came, ...overNow(action.atUs) };
  }

  async #reclaim(action: Reclaim, device: number): Promise<Came> {
    const { path } = action.mount;
    const { places, recover, room, deadlineMs, dryRun, atUs } = action;
    const job = { path, device, room, recover, places, deadlineMs, dryRun, atUs };
    const { after, enough, deleted, truncated, passedOver, steps } = await this.#reclaimer.reclaim(job);
    const some = deleted + truncated > 0;
    const counts = [`${deleted} files deleted`, `${truncated} emptied in place`, `${passedOver} passed over`];
    const summary = stepOf(
      action,
      "reclaim",
      atUs,
      some || passedOver > 0 ? counts.join(", ") : "no listed file is there",
    );
    return {
      verb: "reclaim",
      target: some ? `${deleted + truncated} files` : null,
      victims: [],
      outcome: dryRun && some ? "dry-run" : enough ? "done" : some ? "partly" : "failed",
      after: figuresOf(after),
      steps: [...steps, summary],
      candidates: [],
    };
  }

  async #fill(action: Filler, device: number): Promise<Came> {
    const { path, type } = action.mount;
    const { room, rungs } = action;
    const walk = await this.#walk();
    if (walk === null) throw new Error("the processes could not be looked at in time");
    const units = { nowTicks: walk.nowTicks, ticksPerSecond: this.#context.start.units.ticksPerSecond };
    const beganUs = monotonicUs();
    const writers = await this.#writing.watch({ path, device, type }, room, walk.rows, units);
    const judged = judgeWriters({
      processes: walk.rows,
      writers,
      fillPerSecond: action.fillPerSecond,
      abnormalFactor: action.abnormalFactor,
      ownPid: process.pid,
      stuck: this.#stuck,
    });
    const words = judged.slice(0, NAMED_MOST + 1).map((each) => this.#inWords(each, action));
    const best = judged[0]?.verdict === "fills" ? judged[0] : null;
    const found =
      best === null ? "nobody who may be ended fills it at an abnormal rate" : (words[0] as string);
    const seen = stepOf(action, "look for who fills it", beganUs, found);
    if (best === null) {
      const steps = [seen, ...(await this.#commandsOnly(action))];
      return { ...nothing("end", figuresOf(freeRoom(path)), steps), candidates: words };
    }
    const { pid, startTicks } = best.writer;
    const culprit = { kind: "process" as const, pid, startTicks, id: pid, members: [{ pid, startTicks }] };
    const { roots } = this.#context.start;
    const variables = commandVariables(roots.proc, action, culprit);
    const levelStands = (): boolean => amount(freeRoom(path), room) < action.recover;
    const climbed = await climbLadder({ ...action, rungs, culprit, roots, variables, levelStands });
    if (climbed.outcome === "stuck" || climbed.outcome === "refused") this.#stuck.add(`${pid}:${startTicks}`);
    return {
      verb: rungs.some(({ action: what }) => what.startsWith("sig")) ? "end" : "notify",
      target: words[0] as string,
      victims: climbed.victims,
      outcome: climbed.outcome,
      after: figuresOf(freeRoom(path)),
      steps: [seen, ...climbed.steps],
      candidates: words.slice(1),
    };
  }

  /** A walk from now, as there is seldom one on a calm host. */
  async #walk(): Promise<Walk | null> {
    this.#walks.next();
    this.#context.board.requestWalk();
    raiseEvent(this.#context.start.descriptors.processesEvent);
    const untilMs = performance.now() + WALK_WAIT_MS;
    for (let walk = this.#walks.next(); ; walk = this.#walks.next()) {
      if (walk !== null) return walk;
      if (performance.now() > untilMs) return null;
      await pause(LOOK_MS);
    }
  }

  /** Where there is nobody to end, the ladder's commands are run all the same. */
  async #commandsOnly(action: Filler): Promise<ActionStep[]> {
    const steps: ActionStep[] = [];
    const commands = new LaneCommands(commandVariables(this.#context.start.roots.proc, action, null));
    for (const rung of action.rungs) {
      if (rung.action !== "command") continue;
      const beganUs = monotonicUs();
      if (action.dryRun) {
        steps.push(stepOf(action, `would run: ${rung.command}`, beganUs, "dry run"));
        continue;
      }
      let result = commands.start(action.id, rung);
      while (result === null && monotonicUs() - beganUs < rung.deadlineMs * 1000) {
        await pause(LOOK_MS);
        result = commands.result(action.id);
      }
      steps.push(stepOf(action, `run: ${rung.command}`, beganUs, result ?? "not finished in time"));
    }
    return steps;
  }

  /** Such as `dd (pid 12): 40.0 MiB a second, before 0 B; /srv/big`. */
  #inWords({ writer, verdict, rate }: JudgedWriter, { room }: Filler): string {
    const { pid, lifePerSecond, files } = writer;
    const inUnits = (value: number): string =>
      room === "space" ? formatBytes(value) : `${Math.round(value)} inodes`;
    const history = lifePerSecond === null ? "" : `, in its life ${inUnits(lifePerSecond)}`;
    const why = {
      fills: "",
      "as-always": "writes as it always has: ",
      protected: "must not be ended: ",
      "too-little": "",
    };
    const named = files.slice(0, FILES_NAMED_MOST).join(", ");
    return `${this.#nameOf(pid)} (pid ${pid}): ${why[verdict]}${inUnits(rate)} a second${history}; ${named}`;
  }

  #nameOf(pid: number): string {
    try {
      return fs.readFileSync(`${this.#context.start.roots.proc}/${pid}/comm`, "utf8").replace(/\n$/, "");
    } catch {
      return "a process that is gone";
    }
  }
}

/** The device of the mount's files. @throws Error when the mount is gone, and the path is another file system's */
function deviceOf({ mount }: DiskAction): number {
  const { dev } = fs.statSync(mount.path);
  // makedev(3); a subvolume of btrfs has a device of its own that no mount names.
  const major = ((dev / 2 ** 32) & 0xfffff000) | ((dev >>> 8) & 0xfff);
  const minor = ((dev >>> 12) & 0xffffff00) | (dev & 0xff);
  if (mount.type !== "btrfs" && `${major}:${minor}` !== mount.device)
    throw new Error(
      `expected device ${mount.device} at ${mount.path}, found ${major}:${minor}: it was unmounted`,
    );
  return dev;
}

function figuresOf({ availableBytes, freeInodes }: FreeRoom): Figures {
  return { availableBytes, freeInodes };
}

function nothing(verb: string, after: Figures, steps: readonly ActionStep[]): Came {
  return { verb, target: null, victims: [], outcome: "failed", after, steps, candidates: [] };
}

function stepOf(action: DiskAction, what: string, beganUs: number, result: string): ActionStep {
  const round = (us: number): number => Math.round(us) / 1000;
  return { what, afterMs: round(beganUs - action.atUs), tookMs: round(monotonicUs() - beganUs), result };
}
