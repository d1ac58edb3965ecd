import path from "node:path";
import { Net, NET_COLUMNS } from "../../../core/net/columns.ts";
import { COUNTERS, InterfaceLines } from "../../../core/net/interface-lines.ts";
import type { Policy } from "../../../core/policy/policy.ts";
import type { NamedThing } from "../../../core/resources/resource.ts";
import { RingWriter } from "../../../core/ring/writer.ts";
import { interfaceNumber } from "../../../native/netlink.ts";
import { HeldFile } from "../../common/held-file.ts";
import type { WorkerContext } from "../../common/worker.ts";
import type { Announce, ResourceSampler } from "./resource-sampler.ts";

const DEFAULT_INTERVAL_MS = 1000;
/** More are left out, and that is said: the ring has room for so many rows and a reader that lags. */
export const INTERFACES_MAX = 400;
const GONE = 0;
/** Asking costs more than the rest of a look, and tells only of one that was replaced before it had received anything. */
const CHECK_EVERY = 100;

/** Counters of every interface of the guard's network namespace, from /proc/net/dev, held open. */
export class InterfaceSampler implements ResourceSampler {
  intervalMs = Number.POSITIVE_INFINITY;
  readonly #context: WorkerContext;
  readonly #announce: Announce;
  readonly #ring: RingWriter;
  readonly #lines = new InterfaceLines();
  readonly #frame = new Float64Array(NET_COLUMNS.length);
  /** By place in the file: the number and the bytes received at the last look. */
  #numbers = new Int32Array(0);
  #received = new Float64Array(0);
  #announced = new Map<number, string>();
  #file: HeldFile | null = null;
  #changes = -1;
  /** The place whose number is asked for anew at the next look, in turn. */
  #checked = 0;
  #looks = 0;
  #complained = false;

  constructor(context: WorkerContext, announce: Announce) {
    this.#context = context;
    this.#announce = announce;
    this.#ring = new RingWriter(context.start.resourceRings.net);
    this.takePolicy(context.start.policy);
  }

  sample(nowUs: number): void {
    // /proc/net is a link to self/net: the file is of the namespace in which it was opened.
    this.#file ??= HeldFile.tryOpen(path.join(this.#context.start.roots.proc, "self/net/dev"), 8192);
    const length = this.#file?.read() ?? -1;
    if (this.#file === null || length < 0) return this.#complain("/proc/self/net/dev cannot be read");
    const count = Math.min(INTERFACES_MAX, this.#lines.parse(this.#file.bytes, length));
    if (this.#lines.changes !== this.#changes || this.#begunAnew(count)) this.#renumber(count);
    const { values } = this.#lines;
    const frame = this.#frame;
    frame[Net.timeUs] = nowUs;
    for (let i = 0; i < count; i++) {
      const number = this.#numbers[i] as number;
      if (number === GONE) continue;
      frame[Net.interface] = number;
      for (let column = 0; column < COUNTERS; column++) {
        frame[Net.receivedBytes + column] = values[i * COUNTERS + column] as number;
      }
      this.#received[i] = frame[Net.receivedBytes] as number;
      this.#ring.put(frame);
    }
    this.#ring.commit();
  }

  takePolicy(policy: Policy): void {
    const { net } = policy;
    const wanted = net.enabled && (net.rates !== null || this.#context.onlyRecords);
    this.intervalMs = wanted ? (net.rates?.intervalMs ?? DEFAULT_INTERVAL_MS) : Number.POSITIVE_INFINITY;
    // Whoever reads the ring may be new: all names are told again.
    this.#announced = new Map();
    this.#changes = -1;
    if (!wanted) this.close();
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  /** Whether another interface may stand under a name that was there: its counters went back, or its number is another. */
  #begunAnew(count: number): boolean {
    if (count === 0) return false;
    for (let i = 0; i < count; i++) {
      if ((this.#lines.values[i * COUNTERS] as number) < (this.#received[i] as number)) return true;
    }
    if (++this.#looks % CHECK_EVERY !== 0) return false;
    this.#checked = (this.#checked + 1) % count;
    return interfaceNumber(this.#lines.names[this.#checked] as string) !== this.#numbers[this.#checked];
  }

  #renumber(count: number): void {
    this.#changes = this.#lines.changes;
    this.#numbers = new Int32Array(count);
    this.#received = new Float64Array(count);
    const present = new Map<number, string>();
    for (let i = 0; i < count; i++) {
      const name = this.#lines.names[i] as string;
      this.#numbers[i] = interfaceNumber(name);
      if (this.#numbers[i] !== GONE) present.set(this.#numbers[i] as number, name);
    }
    const appeared: NamedThing[] = [];
    for (const [number, name] of present) {
      if (this.#announced.get(number) !== name) appeared.push({ number, name, about: {} });
    }
    const gone = [...this.#announced.keys()].filter((number) => !present.has(number));
    this.#announced = present;
    if (appeared.length > 0 || gone.length > 0) this.#announce(appeared, gone);
    if (count === INTERFACES_MAX)
      this.#complain(`interfaces after the first ${INTERFACES_MAX} are not sampled`);
  }

  #complain(what: string): void {
    if (this.#complained) return;
    this.#complained = true;
    this.#context.log("warn", what);
  }
}
