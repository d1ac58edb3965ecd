import { emptyHeard, messageHash, parseFrame } from "../../core/net/frames.ts";
import type { Link } from "../../core/net/links.ts";
import { movingMacs } from "../../core/net/mac.ts";
import { nameMatcher } from "../../core/net/names.ts";
import { type Finding, Neighbours } from "../../core/net/neighbours.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { clearEvent } from "../../native/event.ts";
import { FrameBatch } from "../../native/packet.ts";
import { PollEvent, PollSet } from "../../native/poll.ts";
import { monotonicUs } from "../common/clock.ts";
import { WorkerContext } from "../common/worker.ts";
import { Duplicates } from "./duplicates.ts";
import { LinkWatch } from "./link-watch.ts";
import { BUDGET_PER_SECOND, Listener } from "./listener.ts";
import { Reach } from "./reach.ts";
import { rehearse } from "./rehearsal.ts";

const WAKE = 0;
const NEWS = 1;
const FIRST_TAP = 2;
/** More interfaces are not listened to, and that is said. */
const LISTENERS_MAX = 256;
const US_PER_MS = 1000;
const DROPS_MS = 60_000;
const REACH_MS = 10_000;

/** A frame that bears an own address and did not come from here, as far as was known when it was read. */
interface Suspicion {
  readonly finding: Finding;
  readonly hash: number;
}

/** The thread that listens to interfaces for two who have one address, and acts on it by itself. */
class NetGuard {
  readonly #context: WorkerContext;
  readonly #links: LinkWatch;
  readonly #reach: Reach;
  readonly #duplicates: Duplicates;
  readonly #batch = new FrameBatch();
  readonly #heard = emptyHeard();
  readonly #listeners = new Map<number, Listener>();
  readonly #suspicions: Suspicion[] = [];
  readonly #unheard = new Set<string>();
  #neighbours: Neighbours;
  #policy: Policy;
  #chosen: (link: Link) => boolean = () => false;
  #taps: Listener[] = [];
  #poll = new PollSet(FIRST_TAP);
  #ownMacs = "";
  #dropsMs: number;
  #reachMs = 0;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.#policy = context.start.policy;
    this.#links = new LinkWatch();
    this.#reach = new Reach(context.start.roots.proc);
    this.#duplicates = new Duplicates(context, this.#links, this.#reach);
    this.#neighbours = this.#begin();
    this.#dropsMs = monotonicUs() / US_PER_MS;
  }

  run(): void {
    this.#choose();
    this.#reach.refresh(monotonicUs() / US_PER_MS);
    rehearse();
    this.#context.ready();
    for (;;) {
      this.#arm();
      const restMs = this.#context.rest();
      this.#poll.wait(Math.max(0, Math.min(restMs, this.#waitMs())));
      const nowUs = monotonicUs();
      if (!this.#context.alive()) return;
      this.#listen(nowUs);
      if (this.#poll.happened(WAKE) !== 0) clearEvent(this.#context.start.descriptors.netEvent);
      if (this.#poll.happened(NEWS) !== 0) this.#linksChanged();
      if (!this.#takeLetters()) return this.#close();
      this.#now(nowUs / US_PER_MS);
    }
  }

  /** What was learned under another policy may have been judged otherwise. */
  #begin(): Neighbours {
    const { net } = this.#policy;
    const [wanted, never] = [nameMatcher(net.interfaces), nameMatcher(net.never)];
    this.#chosen = (link) =>
      net.enabled &&
      link.mac !== 0 &&
      !link.loopback &&
      (link.masterKind === "" || link.masterKind === "bridge") &&
      wanted(link.name) &&
      !never(link.name);
    return new Neighbours(this.#links.topology, {
      expiryMs: net.expiryMs,
      moving: movingMacs(net.movingMacs),
      listened: (link) => this.#listeners.has(link.number),
    });
  }

  #linksChanged(): void {
    if (!this.#links.refresh()) return;
    this.#neighbours.setTopology(this.#links.topology);
    this.#choose();
    this.#duplicates.linksChanged();
  }

  /** Listens to those that the policy wants, and to no others. */
  #choose(): void {
    const { links, byMac } = this.#links.topology;
    const macs = [...byMac.keys()].sort((a, b) => a - b);
    const changed = macs.join() !== this.#ownMacs;
    this.#ownMacs = macs.join();
    for (const [number, listener] of this.#listeners) {
      const link = links.get(number);
      if (link !== undefined && this.#chosen(link)) {
        listener.link = link;
        if (changed) listener.setOwn(macs);
      } else {
        listener.close();
        this.#listeners.delete(number);
      }
    }
    for (const link of links.values()) {
      if (!this.#listeners.has(link.number) && this.#chosen(link)) this.#open(link, macs);
    }
    this.#taps = [...this.#listeners.values()];
    this.#poll = new PollSet(FIRST_TAP + this.#taps.length * 2);
    this.#poll.set(WAKE, this.#context.start.descriptors.netEvent, PollEvent.in);
    this.#poll.set(NEWS, this.#links.descriptor, PollEvent.in);
  }

  #open(link: Link, macs: readonly number[]): void {
    const full = this.#listeners.size >= LISTENERS_MAX;
    const listener = full ? null : Listener.open(link, macs);
    if (listener instanceof Listener) {
      this.#listeners.set(link.number, listener);
      this.#unheard.delete(link.name);
      return;
    }
    // Gone again before it could be listened to; the kernel tells of that in a moment.
    if (listener?.code === "ENODEV" || this.#unheard.has(link.name)) return;
    this.#unheard.add(link.name);
    const why =
      listener === null ? `there are more than ${LISTENERS_MAX}` : `${listener.call}: ${listener.code}`;
    this.#limited(`${link.name} is not listened to`, why);
  }

  /** Own addresses first, of all interfaces: what came back from outside must be known as sent from here. */
  #listen(nowUs: number): void {
    const nowMs = nowUs / US_PER_MS;
    for (const [i, listener] of this.#taps.entries()) {
      const at = FIRST_TAP + i * 2;
      if (this.#poll.happened(at) !== 0) this.#readOwn(listener, nowMs);
      if (this.#poll.happened(at + 1) !== 0) this.#readOthers(listener, nowMs, nowUs);
    }
    if (this.#suspicions.length === 0) return;
    for (const listener of this.#taps) if (listener.own.due(nowMs)) this.#readOwn(listener, nowMs);
    for (const { finding, hash } of this.#suspicions.splice(0)) {
      if (!this.#neighbours.sentLately(hash, nowMs)) this.#duplicates.take(finding, nowUs);
    }
  }

  #readOwn({ own, link }: Listener, nowMs: number): void {
    const count = own.read(this.#batch, nowMs);
    for (let i = 0; i < count; i++) {
      const hash = this.#parse(i);
      if (hash === null) continue;
      if (this.#batch.outgoing(i)) {
        this.#neighbours.sent(hash, nowMs);
        this.#neighbours.claimed(this.#heard, link, this.#batch.vlan(i), nowMs);
        continue;
      }
      const finding = this.#neighbours.heard(this.#heard, link, this.#batch.vlan(i), hash, nowMs);
      if (finding !== null) this.#suspicions.push({ finding, hash });
    }
  }

  #readOthers({ others, link }: Listener, nowMs: number, nowUs: number): void {
    const count = others.read(this.#batch, nowMs);
    for (let i = 0; i < count; i++) {
      const hash = this.#parse(i);
      if (hash === null) continue;
      const finding = this.#neighbours.heard(this.#heard, link, this.#batch.vlan(i), hash, nowMs);
      if (finding === null) continue;
      if (finding.what === "two-owners") this.#duplicates.note(finding, nowUs);
      else this.#duplicates.take(finding, nowUs);
    }
  }

  /** @returns the message's number; null: it is none, or malformed */
  #parse(i: number): number | null {
    const [bytes, at] = [this.#batch.bytes, this.#batch.frameAt(i)];
    if (!parseFrame(bytes, at, this.#batch.frameLength(i), this.#heard)) return null;
    return messageHash(bytes, at, this.#heard);
  }

  /** Those that have had their share of this second are not waited for. */
  #arm(): void {
    const nowMs = monotonicUs() / US_PER_MS;
    for (const [i, { own, others }] of this.#taps.entries()) {
      const at = FIRST_TAP + i * 2;
      this.#poll.set(at, own.due(nowMs) ? own.socket.descriptor : -1, PollEvent.in);
      this.#poll.set(at + 1, others.due(nowMs) ? others.socket.descriptor : -1, PollEvent.in);
    }
  }

  /** How long there is nothing to do, unless something comes. */
  #waitMs(): number {
    const nowMs = monotonicUs() / US_PER_MS;
    let next = this.#duplicates.dueMs;
    if (this.#policy.net.duplicate !== "log") next = Math.min(next, this.#reachMs);
    for (const { own, others } of this.#taps) {
      for (const { resumeMs } of [own, others]) if (resumeMs > nowMs) next = Math.min(next, resumeMs);
    }
    return Math.ceil(next - nowMs);
  }

  #now(nowMs: number): void {
    this.#duplicates.turn(nowMs);
    if (nowMs >= this.#reachMs) {
      this.#reachMs = nowMs + REACH_MS;
      if (this.#policy.net.duplicate !== "log") this.#reach.refresh(nowMs);
    }
    if (nowMs - this.#dropsMs < DROPS_MS) return;
    this.#dropsMs = nowMs;
    this.#countDrops();
  }

  #countDrops(): void {
    for (const listener of this.#taps) {
      const drops = listener.drops();
      if (drops === 0) continue;
      const why = `more than ${BUDGET_PER_SECOND} a second, or more at once than the socket holds`;
      this.#limited(`${listener.link.name}: ${drops} messages of neighbours were not looked at`, why);
    }
  }

  /** @returns false when the worker is to stop */
  #takeLetters(): boolean {
    for (let message = this.#context.receive(); message !== null; message = this.#context.receive()) {
      if (message.type === "stop") return false;
      if (message.type !== "policy") throw new Error(`the net thread knows no message ${message.type}`);
      this.#policy = message.policy;
      this.#neighbours = this.#begin();
      this.#duplicates.takePolicy(message.policy.net, message.policy.dryRun);
      this.#choose();
    }
    return true;
  }

  #limited(what: string, why: string): void {
    this.#context.log("warn", `${what} (${why})`);
    this.#context.send("recorder", { type: "event", event: { event: "limited", what, why } });
  }

  #close(): void {
    this.#duplicates.close();
    this.#countDrops();
    for (const listener of this.#listeners.values()) listener.close();
    this.#links.close();
  }
}

new NetGuard(WorkerContext.current()).run();
