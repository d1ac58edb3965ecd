import { SHAPE_HANDLE } from "../../../core/levers/lever.ts";
import { burstBytes, queuePackets } from "../../../core/net/shape.ts";
import { runProgram } from "../run-program.ts";

/** A command that takes longer is ended. */
const LIMIT_MS = 5000;
const DELAY_HANDLE = "7016:";
const QUEUE_HANDLE = "7017:";

/** How an interface's traffic is shaped now. */
export interface Shaping {
  /** `ours`, `none` (the kernel's own default), or whose it is. */
  readonly root: "ours" | "none" | { readonly kind: string; readonly handle: string };
  readonly bytesPerSecond: number | null;
  readonly delayMs: number | null;
}

interface Qdisc {
  readonly kind: string;
  readonly handle: string;
  readonly root?: boolean;
  readonly options?: { readonly rate?: number; readonly delay?: { readonly delay?: number } };
}

type Answer<Value> = { readonly value: Value } | { readonly refusal: string };

async function run(program: string, args: readonly string[]): Promise<Answer<string>> {
  const { ok, output, error, missing } = await runProgram(program, args, LIMIT_MS);
  if (ok) return { value: output };
  return { refusal: missing ? `${program} is not there: install iproute2, or set no [net.rates]` : error };
}

/** What tc(8) says of an interface's root. */
export async function shapingOf(name: string): Promise<Answer<Shaping>> {
  const shown = await run("tc", ["-json", "qdisc", "show", "dev", name]);
  if ("refusal" in shown) return shown;
  try {
    return { value: shapingFrom(JSON.parse(shown.value) as readonly Qdisc[]) };
  } catch (error) {
    return {
      refusal: `expected JSON from tc -json qdisc show, found something else: ${(error as Error).message}`,
    };
  }
}

function shapingFrom(qdiscs: readonly Qdisc[]): Shaping {
  const root = qdiscs.find((qdisc) => qdisc.root === true);
  // Those that the kernel sets by itself have no handle; one that somebody has set has one.
  if (root === undefined || root.handle === "0:")
    return { root: "none", bytesPerSecond: null, delayMs: null };
  if (root.handle !== SHAPE_HANDLE || root.kind !== "tbf")
    return { root: { kind: root.kind, handle: root.handle }, bytesPerSecond: null, delayMs: null };
  const seconds = qdiscs.find(({ handle }) => handle === DELAY_HANDLE)?.options?.delay?.delay;
  const delayMs = seconds === undefined ? 0 : Math.round(seconds * 1000);
  return { root: "ours", bytesPerSecond: root.options?.rate ?? null, delayMs };
}

export interface Shape {
  readonly bytesPerSecond: number;
  readonly delayMs: number;
}

/**
 * Lets an interface send so much at most: tbf at the root, with a handle of ours. One that is there already is changed in
 * place: nothing that waits is lost. tc-tbf(8).
 * @returns why not; null when it is done
 */
export async function shape(
  name: string,
  mtuBytes: number,
  { bytesPerSecond, delayMs }: Shape,
): Promise<string | null> {
  const burst = String(burstBytes(bytesPerSecond, mtuBytes));
  const limit = String(queuePackets(bytesPerSecond, delayMs, mtuBytes) * mtuBytes);
  const rate = `${Math.round(bytesPerSecond * 8)}bit`;
  const bucket = ["tbf", "rate", rate, "burst", burst, "limit", limit];
  const root = await run("tc", ["qdisc", "replace", "dev", name, "root", "handle", SHAPE_HANDLE, ...bucket]);
  return "refusal" in root ? root.refusal : null;
}

/**
 * Lets each packet go so much later, inside of what {@link shape} has set: tc-netem(8).
 * @returns why not; null when it is done
 */
export async function delay(
  name: string,
  mtuBytes: number,
  { bytesPerSecond, delayMs }: Shape,
  before: Shaping,
): Promise<string | null> {
  if (delayMs === 0 && (before.delayMs ?? 0) === 0) return null;
  const packets = queuePackets(bytesPerSecond, delayMs, mtuBytes);
  const inside = ["qdisc", "replace", "dev", name, "parent", `${SHAPE_HANDLE}1`, "handle"];
  const queue =
    delayMs === 0
      ? [QUEUE_HANDLE, "bfifo", "limit", String(packets * mtuBytes)]
      : [DELAY_HANDLE, "netem", "delay", `${delayMs}ms`, "limit", String(packets)];
  const set = await run("tc", [...inside, ...queue]);
  return "refusal" in set ? set.refusal : null;
}

/** The largest packet that an interface sends. ip-link(8). */
export async function mtuOf(name: string): Promise<Answer<number>> {
  const shown = await run("ip", ["-json", "link", "show", "dev", name]);
  if ("refusal" in shown) return shown;
  const mtu = Number(/"mtu":\s*(\d+)/.exec(shown.value)?.[1]);
  return Number.isNaN(mtu) ? { refusal: "ip link does not tell the MTU" } : { value: mtu };
}
