import type { CpuAction } from "../../../core/cpu/action.ts";
import type { CgroupLever } from "../../../core/levers/lever.ts";
import type { ResourceOutcome, ResourceReport } from "../../../core/resources/report.ts";
import type { Figures } from "../../../core/resources/resource.ts";
import { type CpuHierarchy, directoryIn, limitOf, quotaLever } from "../../common/cpu-cgroup.ts";
import type { CpuLaneOptions } from "./lane.ts";
import { measureCgroup } from "./measure.ts";
import { Reporter } from "./report.ts";

type QuarantineAction = Extract<CpuAction, { kind: "quarantine" }>;
type ReleaseAction = Extract<CpuAction, { kind: "release" }>;
type Options = Pick<CpuLaneOptions, "roots" | "ladders" | "fairUse">;

/** How it went, and in words. */
interface Went {
  readonly outcome: ResourceOutcome;
  readonly result: string;
}

/** Fair use: gives a cgroup at most so many processors. One that has a lower limit of its own keeps it. */
export async function quarantineCgroup(
  action: QuarantineAction,
  hierarchy: CpuHierarchy | null,
  options: Options,
): Promise<ResourceReport> {
  const reporter = new Reporter(action);
  const { outcome, result } = await quarantine(action, hierarchy, options);
  return end(action, hierarchy, options, { outcome, result }, reporter);
}

/** Takes a quarantine back. */
export async function releaseCgroup(
  action: ReleaseAction,
  hierarchy: CpuHierarchy | null,
  options: Options,
): Promise<ResourceReport> {
  const reporter = new Reporter(action);
  const went = await release(action, hierarchy, options);
  return end(action, hierarchy, options, went, reporter);
}

async function quarantine(
  { cgroup, cores, dryRun }: QuarantineAction,
  hierarchy: CpuHierarchy | null,
  { fairUse, ladders }: Options,
): Promise<Went> {
  if (hierarchy === null) return failed("there is no cpu controller of cgroups");
  if (cgroup === "/") return failed("the root cgroup has no quota");
  const lever = quotaLever(hierarchy, cgroup, cores);
  const limitCores = limitOf(hierarchy, cgroup);
  if (lever === null || limitCores === null)
    return { outcome: "gone", result: "it is gone, or has no quota" };
  if (limitCores <= cores && !fairUse.isHeld(lever) && !ladders.isHeld(lever))
    return failed(`it has a lower limit of its own, ${limitCores} processors: left so`);
  if (dryRun) return { outcome: "dry-run", result: `would give it at most ${cores} processors` };
  // A ladder's limit on the same file goes first: what is put back later is what the cgroup had.
  if (ladders.isHeld(lever)) await ladders.undo(lever);
  const refusal = await fairUse.impose(lever);
  return refusal === null
    ? { outcome: "done", result: `at most ${cores} processors` }
    : { outcome: "refused", result: refusal };
}

async function release(
  { cgroup, dryRun }: ReleaseAction,
  hierarchy: CpuHierarchy | null,
  { fairUse }: Options,
): Promise<Went> {
  if (dryRun) return { outcome: "dry-run", result: "would take its quarantine back" };
  const held = heldQuota(fairUse, hierarchy, cgroup);
  if (held === null) return { outcome: "released", result: "it was not in quarantine" };
  const { end: how, text } = await fairUse.undo(held);
  return { outcome: how === "waits" ? "failed" : how === "gone" ? "gone" : "released", result: text };
}

/** What fair use holds of a cgroup, also when it has gone since. */
function heldQuota(
  fairUse: Options["fairUse"],
  hierarchy: CpuHierarchy | null,
  cgroup: string,
): CgroupLever | null {
  if (hierarchy === null) return null;
  const directory = directoryIn(hierarchy.limits, cgroup);
  for (const { lever } of fairUse.held())
    if (lever.kind === "cgroup" && lever.directory === directory) return lever;
  return null;
}

function failed(result: string): Went {
  return { outcome: "failed", result };
}

async function end(
  action: QuarantineAction | ReleaseAction,
  hierarchy: CpuHierarchy | null,
  { roots }: Options,
  { outcome, result }: Went,
  reporter: Reporter,
): Promise<ResourceReport> {
  const step = reporter.step(action.kind, result);
  const { cores = null } = action.numbers;
  const before: Figures = { cores };
  const changed = outcome === "done" || (outcome === "released" && action.kind === "release");
  const after =
    changed && hierarchy !== null ? await measureCgroup(roots.proc, hierarchy, action.cgroup) : before;
  return reporter.report({
    verb: action.kind,
    target: action.cgroup,
    victims: [],
    outcome,
    before,
    after,
    steps: [step],
    candidates: [],
  });
}
