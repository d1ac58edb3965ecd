import type { InterfaceLever } from "../../../core/levers/lever.ts";
import type { NetAction, NetOrder } from "../../../core/net/action.ts";
import type { Link } from "../../../core/net/links.ts";
import { namedExplicitly } from "../../../core/net/names.ts";
import type { Policy } from "../../../core/policy/policy.ts";
import type { ActionStep } from "../../../core/messages.ts";
import type { ResourceOutcome, ResourceReport } from "../../../core/resources/report.ts";
import type { Figures } from "../../../core/resources/resource.ts";
import { monotonicUs, overNow } from "../../common/clock.ts";
import { WorkerContext } from "../../common/worker.ts";
import { keepForgotten } from "../../net/forgotten-files.ts";
import { LinkWatch } from "../../net/link-watch.ts";
import { Reach } from "../../net/reach.ts";
import { Lane, type LaneWork } from "../lane.ts";
import { Levers, type UndoResult } from "../levers.ts";
import { delay, mtuOf, shape, shapingOf } from "./traffic.ts";

const US_PER_MS = 1000;

/** Squeezes interfaces and lets go of them: by tc(8), which may take its time. */
class NetLane implements LaneWork<NetAction> {
  readonly #levers: Levers;
  readonly #leversDirectory: string | null;
  readonly #links = new LinkWatch();
  readonly #reach: Reach;
  #policy: Policy;

  constructor(context: WorkerContext) {
    this.#policy = context.start.policy;
    this.#reach = new Reach(context.start.roots.proc);
    this.#leversDirectory = context.start.leversDirectory;
    this.#levers = Levers.of(context, "net");
  }

  get holds(): boolean {
    return this.#levers.held().length > 0;
  }

  async act(action: NetAction): Promise<ResourceReport> {
    const steps: ActionStep[] = [];
    this.#links.refresh();
    const link = this.#links.topology.links.get(action.interface);
    const before = await this.#figures(link);
    const did = await this.#do(action, link, steps);
    this.#links.refresh();
    const after = await this.#figures(this.#links.topology.links.get(action.interface));
    return {
      id: action.id,
      resource: "net",
      subject: action.subject,
      verb: verbOf(action.order),
      target: link?.name ?? action.subject,
      victims: [],
      outcome: did,
      why: action.why,
      before,
      after,
      steps,
      candidates: [],
      ...overNow(action.atUs),
      dryRun: action.dryRun,
    };
  }

  takePolicy(policy: Policy): void {
    this.#policy = policy;
  }

  async close(): Promise<void> {
    await this.#levers.undoAll();
    this.#links.close();
  }

  async #do(action: NetAction, link: Link | undefined, steps: ActionStep[]): Promise<ResourceOutcome> {
    const { order, dryRun, interface: number, atUs } = action;
    const note = (what: string, result: string, beganUs: number): void => {
      const tookMs = (monotonicUs() - beganUs) / US_PER_MS;
      steps.push({ what, afterMs: (beganUs - atUs) / US_PER_MS, tookMs, result });
    };
    const beganUs = monotonicUs();
    if (order.do === "release-all") {
      const results = dryRun ? [] : await this.#levers.undoAll();
      for (const { text } of results) note("release", text, beganUs);
      return outcomeOf(results);
    }
    if (link === undefined) {
      note(order.do, "the interface is gone", beganUs);
      this.#levers.forget({ kind: "shape", ifindex: number, interface: action.subject }, "gone");
      this.#levers.forget({ kind: "link", ifindex: number, interface: action.subject }, "gone");
      return "gone";
    }
    if (order.do === "release" || order.do === "up") {
      const kind = order.do === "up" ? "link" : "shape";
      const result = await this.#levers.undo(leverOf(kind, link));
      note(order.do, result.text, beganUs);
      return outcomeOf([result]);
    }
    const spared = this.#spared(link);
    if (spared !== null) {
      note("spare", spared, beganUs);
      return "refused";
    }
    if (dryRun) return "dry-run";
    const lacking: string[] = [];
    const refusal = await this.#impose(link, order, lacking);
    note(order.do, refusal ?? lacking[0] ?? "done", beganUs);
    if (refusal !== null) return "failed";
    return lacking.length === 0 ? "done" : "partly";
  }

  /** @param lacking is told what of it could not be had  @returns why not at all; null when it is done */
  async #impose(
    link: Link,
    order: Extract<NetOrder, { do: "squeeze" | "down" }>,
    lacking: string[],
  ): Promise<string | null> {
    if (order.do === "down") {
      const lever = leverOf("link", link);
      return this.#levers.impose(lever, () => Promise.resolve(this.#putDown(link)));
    }
    const shaping = await shapingOf(link.name);
    if ("refusal" in shaping) return shaping.refusal;
    const { root } = shaping.value;
    if (typeof root === "object")
      return `it has a root qdisc ${root.kind} ${root.handle} of somebody else, which is left alone`;
    const mtu = await mtuOf(link.name);
    if ("refusal" in mtu) return mtu.refusal;
    return this.#levers.impose(leverOf("shape", link), async () => {
      const refusal = await shape(link.name, mtu.value, order);
      if (refusal !== null) return refusal;
      const undelayed = await delay(link.name, mtu.value, order, shaping.value);
      if (undelayed !== null) lacking.push(`limited, but not delayed: ${undelayed}`);
      return null;
    });
  }

  /** For a time. */
  #putDown({ number }: Link): string | null {
    try {
      // With levers there is a directory of their journals.
      if (this.#leversDirectory !== null) keepForgotten(this.#leversDirectory, number);
    } catch (error) {
      return (error as Error).message;
    }
    return this.#links.setUp(number, false);
  }

  #spared(link: Link): string | null {
    const { rates } = this.#policy.net;
    if (rates !== null && namedExplicitly(rates.interfaces, link.name)) return null;
    const nowMs = monotonicUs() / US_PER_MS;
    this.#reach.refresh(nowMs);
    return this.#reach.why(this.#links.topology, link.number, nowMs);
  }

  /** As the kernel says. */
  async #figures(link: Link | undefined): Promise<Figures> {
    if (link === undefined) return { up: null, limitBytesPerSecond: null, delayMs: null };
    const shaping = await shapingOf(link.name);
    const { bytesPerSecond, delayMs } =
      "value" in shaping ? shaping.value : { bytesPerSecond: null, delayMs: null };
    return { up: link.up ? 1 : 0, limitBytesPerSecond: bytesPerSecond, delayMs };
  }
}

const leverOf = (kind: "shape" | "link", { number, name }: Link): InterfaceLever => ({
  kind,
  ifindex: number,
  interface: name,
});

const verbOf = ({ do: verb }: NetOrder): string => (verb === "release-all" ? "release" : verb);

function outcomeOf(results: readonly UndoResult[]): ResourceOutcome {
  const waiting = results.filter(({ end }) => end === "waits").length;
  if (waiting === 0) return "released";
  return waiting < results.length ? "partly" : "failed";
}

const context = WorkerContext.current();
new Lane(context, new NetLane(context)).run();
