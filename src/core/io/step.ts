import type { IoRung } from "../policy/resources.ts";
import type { ResourceChange, ResourceOutcome, ResourceReport } from "../resources/report.ts";
import type { Figures } from "../resources/resource.ts";
import type { IoAction, IoLimits } from "./action.ts";
import type { Device } from "./device.ts";
import { isTighter, limitsFor, tightest } from "./limits.ts";
import { type CgroupLoad, describeLoad, HALF, heaviest } from "./looks.ts";
import type { Episode, IoState } from "./state.ts";
import { isTestDue, type Throttle } from "./throttles.ts";

const CANDIDATES = 5;
/** Nobody is the heaviest only when that has been so for this long. */
const SPREAD_US = 3_000_000;
const US_PER_MS = 1000;

/** Something that was decided and needs no lane: that nothing is done, and why. */
export interface IoNote {
  readonly id: string;
  readonly subject: string;
  readonly verb: "log" | "throttle";
  readonly why: string;
  readonly numbers: Figures;
  readonly candidates: readonly string[];
}

export interface IoOutput {
  readonly changes: readonly ResourceChange[];
  readonly notes: readonly IoNote[];
  /** For the lane; {@link IoState.inFlight} until its report is taken in. */
  readonly action: IoAction | null;
}

/** What follows from all that the state has taken in. */
export function step(state: IoState, nowUs: number): IoOutput {
  const changes = state.takeChanges();
  const notes: IoNote[] = [];
  if (state.inFlight === null) {
    state.inFlight =
      withdraw(state, nowUs) ??
      endTest(state, nowUs) ??
      climb(state, nowUs, notes) ??
      beginTest(state, nowUs);
    return { changes, notes, action: state.inFlight };
  }
  return { changes, notes, action: null };
}

/** Takes in what a lane made of an action. */
export function takeReport(state: IoState, report: ResourceReport, nowUs: number): void {
  state.note(report);
  const action = state.inFlight;
  if (action === null || report.id !== action.id) return;
  state.inFlight = null;
  if (action.kind === "throttle") throttled(state, action, report.outcome, nowUs);
  if (action.kind === "release") released(state, action, report.outcome, nowUs);
}

/** The first action of an analysis that does not know what one before it has imposed. */
export function releaseAll(state: IoState, nowUs: number): IoAction {
  const why = "the analysis has begun anew, and does not know who was throttled for what";
  const head = { resource: "io", id: state.nextId(), subject: "host", numbers: {}, atUs: nowUs } as const;
  state.inFlight = { ...head, why, dryRun: state.terms.dryRun, kind: "release-all" };
  return state.inFlight;
}

function throttled(
  state: IoState,
  action: Extract<IoAction, { kind: "throttle" }>,
  outcome: ResourceOutcome,
  nowUs: number,
): void {
  const { cgroup, device, limits, deadlineMs } = action;
  const episode = state.episodes.get(device.number);
  // Of a lane that failed over it nobody knows how far it came: to take away what is not there does no harm.
  if (outcome === "done" || outcome === "partly" || outcome === "unknown") {
    state.throttles.imposed(cgroup, device, limits, nowUs);
  } else {
    const standing = state.throttles.get(cgroup, device.number);
    if (standing !== null) state.throttles.forget(standing);
    episode?.spared.add(cgroup);
  }
  state.forgetLooks(device.number);
  if (episode === undefined) return;
  // The last rung is taken again and again, as long as it has something to take.
  if (episode.rung + 1 < state.terms.policy.ladder.length) episode.rung++;
  episode.sinceUs = nowUs;
  episode.untilUs = nowUs + deadlineMs * US_PER_MS;
}

function released(
  state: IoState,
  { cgroup, device }: Extract<IoAction, { kind: "release" }>,
  outcome: ResourceOutcome,
  nowUs: number,
): void {
  const throttle = state.throttles.get(cgroup, device.number);
  if (throttle === null) return;
  if (outcome === "failed" || outcome === "partly" || outcome === "unknown") {
    throttle.notBeforeUs = nowUs + state.terms.policy.releaseMs * US_PER_MS;
    return;
  }
  const found = state.devices.get(device.number);
  if (outcome === "gone" || found === undefined || isWithdrawn(state, throttle)) {
    state.throttles.forget(throttle);
    return;
  }
  throttle.testing = true;
  found.beginTest();
  state.forgetLooks(device.number);
}

/** The policy no longer asks for it. */
function isWithdrawn(state: IoState, { cgroup, device }: Throttle): boolean {
  const { policy, mayThrottle, dryRun } = state.terms;
  const may = policy.enabled && !dryRun && mayThrottle(cgroup);
  return !may || !state.devices.has(device.number) || !policy.ladder.some(isThrottle);
}

function withdraw(state: IoState, nowUs: number): IoAction | null {
  for (const throttle of state.throttles.all) {
    if (!isWithdrawn(state, throttle) || nowUs < throttle.notBeforeUs) continue;
    if (throttle.testing) {
      state.throttles.forget(throttle);
      continue;
    }
    const why = `${throttle.device.name} is gone, or the policy does not have ${throttle.cgroup} throttled any more`;
    return release(state, throttle, why, nowUs);
  }
  return null;
}

/** Of a throttle that is due for it the limit is taken away, while nothing else is wrong with the device. */
function beginTest(state: IoState, nowUs: number): IoAction | null {
  const { policy } = state.terms;
  const all = state.throttles.all;
  for (const throttle of all) {
    const { device, failedTests } = throttle;
    if (!isTestDue(throttle, nowUs, policy) || state.devices.get(device.number)?.saturated === true) continue;
    if (all.some((other) => other.testing && other.device.number === device.number)) continue;
    const which = failedTests === 0 ? "" : `, after ${failedTests} that failed`;
    const why = `test of a release${which}: measured over ${policy.measureMs} ms`;
    return release(state, throttle, why, nowUs);
  }
  return null;
}

/** What was measured while a limit was away decides on it. */
function endTest(state: IoState, nowUs: number): IoAction | null {
  const { policy } = state.terms;
  for (const throttle of state.throttles.all) {
    const device = state.devices.get(throttle.device.number);
    if (!throttle.testing || device === undefined) continue;
    if (device.testedUs < policy.measureMs * US_PER_MS && !device.saturated) continue;
    const loads = state.loads(device) ?? [];
    const own = loads.find(({ path }) => path === throttle.cgroup);
    const saturated = device.endTest(policy) || device.saturated;
    if (!saturated || own === undefined || own.share < HALF) {
      state.throttles.letGo(throttle, nowUs, policy);
      continue;
    }
    const why = `${device.name} was saturated again by ${describeLoad(own)} while it was let`;
    const others = loads.filter((load) => load !== own);
    return throttleAction(
      state,
      device,
      {
        cgroup: throttle.cgroup,
        limits: throttle.limits,
        load: own,
        others,
        why,
        deadlineMs: policy.measureMs,
      },
      nowUs,
    );
  }
  return null;
}

function climb(state: IoState, nowUs: number, notes: IoNote[]): IoAction | null {
  const { policy, dryRun } = state.terms;
  for (const [number, episode] of state.episodes) {
    const device = state.devices.get(number);
    if (device === undefined || device.name === null || isGuards(state, device, episode, notes)) continue;
    for (;;) {
      const rung = policy.ladder[episode.rung];
      if (rung === undefined || nowUs < episode.untilUs) break;
      if (rung.action === "throttle") {
        const action = takeThrottle(state, { device, episode, rung, nowUs, notes });
        if (action !== null) return action;
        // Whom to throttle may yet show; what comes after this rung waits for it no longer than its deadline.
        const last = episode.rung + 1 >= policy.ladder.length;
        if (last || nowUs < episode.sinceUs + rung.deadlineMs * US_PER_MS) break;
      }
      episode.rung++;
      episode.sinceUs = nowUs;
      if (rung.action === "log") notes.push(noteOf(state, device, "log", whyOf(state, device)));
      if (rung.action !== "command") continue;
      const { command, deadlineMs } = rung;
      const why = whyOf(state, device);
      return { ...headOf(state, device, why, nowUs), dryRun, kind: "command", command, deadlineMs };
    }
  }
  return null;
}

/** Whether what a device does may be mostly the guard's own log: that is never a reason to act. */
function isGuards(state: IoState, device: Device, episode: Episode, notes: IoNote[]): boolean {
  if (device.number !== state.terms.ownDevice) return false;
  if (state.loads(device) === null) return true;
  if (!(state.ownShare(device) >= HALF)) return false;
  const why = "nothing is done: what the device does is mostly the guard's own log";
  if (!episode.said.has("own")) notes.push(noteOf(state, device, "log", why));
  episode.said.add("own");
  return true;
}

interface Attempt {
  readonly device: Device;
  readonly episode: Episode;
  readonly rung: Extract<IoRung, { readonly action: "throttle" }>;
  readonly nowUs: number;
  readonly notes: IoNote[];
}

function takeThrottle(state: IoState, { device, episode, rung, nowUs, notes }: Attempt): IoAction | null {
  const loads = state.loads(device);
  if (loads === null) return null;
  const say = (key: string, why: string): null => {
    if (!episode.said.has(key)) notes.push(noteOf(state, device, "throttle", why, loads));
    episode.said.add(key);
    return null;
  };
  const found = heaviest(loads);
  // Somebody may just have begun: looks have to go as far back as they do.
  if (found.kind === "spread" && nowUs < episode.sinceUs + SPREAD_US) return null;
  if (found.kind === "spread")
    return say("spread", "nobody is throttled: the load is spread, no cgroup that may be does half of it");
  const cgroup = found.load.path;
  if (episode.spared.has(cgroup)) return null;
  const standing = state.throttles.get(cgroup, device.number);
  const wished = limitsFor(found.load, rung.share, state.terms.policy);
  const limits = standing === null ? wished : tightest(wished, standing.limits);
  if (standing !== null && !standing.testing && !isTighter(limits, standing.limits))
    return say(`least ${cgroup}`, `${cgroup} is let do no more than the policy's minimum already`);
  const why = `${whyOf(state, device)}; ${describeLoad(found.load)}`;
  const { deadlineMs } = rung;
  return throttleAction(
    state,
    device,
    { cgroup, limits, load: found.load, others: found.others, why, deadlineMs },
    nowUs,
  );
}

interface Whom {
  readonly cgroup: string;
  readonly limits: IoLimits;
  readonly load: CgroupLoad;
  readonly others: readonly CgroupLoad[];
  readonly why: string;
  readonly deadlineMs: number;
}

function throttleAction(state: IoState, device: Device, whom: Whom, nowUs: number): IoAction {
  const { cgroup, limits, load, others, why, deadlineMs } = whom;
  return {
    ...headOf(state, device, why, nowUs),
    dryRun: state.terms.dryRun,
    kind: "throttle",
    cgroup,
    device: { number: device.number, name: device.name ?? "" },
    limits,
    load,
    candidates: others.slice(0, CANDIDATES).map(describeLoad),
    deadlineMs,
  };
}

function release(state: IoState, { cgroup, device }: Throttle, why: string, nowUs: number): IoAction {
  const numbers = state.devices.get(device.number)?.rates.figures() ?? {};
  const head = { resource: "io", id: state.nextId(), subject: device.name, numbers, atUs: nowUs } as const;
  // What is imposed is taken back in a dry run too: it was imposed before that.
  return { ...head, why, dryRun: false, kind: "release", cgroup, device };
}

function headOf(state: IoState, device: Device, why: string, nowUs: number) {
  const numbers = device.rates.figures();
  const subject = device.name ?? "";
  return { resource: "io", id: state.nextId(), subject, why, numbers, atUs: nowUs } as const;
}

function whyOf(state: IoState, { rates }: Device): string {
  const { busyShare, stallShare, forMs } = state.terms.policy;
  const percent = (share: number): string => `${Math.round(share * 100)} %`;
  return (
    `busy ${percent(rates.busyShare)} of the time (${percent(busyShare)} is saturated) and tasks stalled on I/O for ` +
    `${percent(rates.stallShare)} (${percent(stallShare)}), for ${forMs} ms`
  );
}

function noteOf(
  state: IoState,
  device: Device,
  verb: IoNote["verb"],
  why: string,
  loads: readonly CgroupLoad[] = state.loads(device) ?? [],
): IoNote {
  const candidates = loads.slice(0, CANDIDATES).map(describeLoad);
  const subject = device.name ?? "";
  return { id: state.nextId(), subject, verb, why, numbers: device.rates.figures(), candidates };
}

function isThrottle({ action }: IoRung): boolean {
  return action === "throttle";
}
