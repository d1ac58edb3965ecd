import { type Heard, ipText } from "./frames.ts";
import type { Link } from "./links.ts";
import { isLocalEnd, type Topology } from "./topology.ts";
import { RecentTable } from "./recent.ts";

/** What was found to be wrong with an address. */
export interface Finding {
  readonly what: "own-address-outside" | "two-ports" | "two-owners";
  /** The address that two have; of `two-owners`, the one that claims the IP address now. */
  readonly mac: number;
  /** Of `two-owners`: who claimed it before. */
  readonly otherMac: number | null;
  readonly ip: string | null;
  /** Where it was heard. */
  readonly heardOn: Link;
  /** Of `two-ports`: where it was heard before. */
  readonly alsoOn: Link | null;
  /** The local interface that would have to go; null: none is to blame, or it cannot be told which. */
  readonly duplicated: Link | null;
}

export interface NeighbourRules {
  readonly expiryMs: number;
  /** Addresses that move by design. */
  readonly moving: (mac: number) => boolean;
  readonly listened: (link: Link) => boolean;
}

const SETS = 512;
/** What was sent and comes back, and what was heard and is heard elsewhere as well, does so within this. */
const MOMENT_MS = 1000;
const RECENT = 4096;
/** An address that went from one port to another and back, and there again, within this, is at both. */
const WINDOW_MS = 30_000;
const MOVES = 3;
const IP_MOVES = 2;
/** The same is not said oftener. */
const AGAIN_MS = 60_000;

/**
 * Who was heard where: MAC addresses by port of a bridge, IP addresses by MAC address. Its memory is fixed; what has not
 * been heard for `expiryMs` is forgotten.
 */
export class Neighbours {
  #topology: Topology;
  readonly #rules: NeighbourRules;
  readonly #key = new Int32Array(4);
  readonly #ipKey = new Int32Array(6);
  readonly #places = new RecentTable(SETS, 4);
  readonly #addresses = new RecentTable(SETS, 6);
  /** Of each place: the port now, the one before, the first one; how often it moved, and since when. */
  readonly #port = new Int32Array(this.#places.slots);
  readonly #before = new Int32Array(this.#places.slots);
  readonly #first = new Int32Array(this.#places.slots);
  readonly #moves = new Int32Array(this.#places.slots);
  readonly #sinceMs = new Float64Array(this.#places.slots);
  readonly #lastHash = new Int32Array(this.#places.slots);
  readonly #lastMs = new Float64Array(this.#places.slots);
  /** Of each IP address: the same, of MAC addresses. */
  readonly #owner = new Float64Array(this.#addresses.slots);
  readonly #ownerBefore = new Float64Array(this.#addresses.slots);
  readonly #ownerMoves = new Int32Array(this.#addresses.slots);
  readonly #ownerSinceMs = new Float64Array(this.#addresses.slots);
  readonly #saidMs = new Float64Array(this.#addresses.slots);
  /** Messages that this machine sent lately, by their hashes. */
  readonly #sentHash = new Int32Array(RECENT);
  readonly #sentMs = new Float64Array(RECENT).fill(Number.NEGATIVE_INFINITY);

  constructor(topology: Topology, rules: NeighbourRules) {
    this.#topology = topology;
    this.#rules = rules;
  }

  setTopology(topology: Topology): void {
    this.#topology = topology;
  }

  /** How many are known now, of MAC and of IP addresses, and how many were pushed out before their time. */
  size(nowMs: number): { readonly macs: number; readonly ips: number; readonly pushedOut: number } {
    const alive = ({ heardMs }: RecentTable): number =>
      heardMs.reduce((count, at) => count + (nowMs - at <= this.#rules.expiryMs ? 1 : 0), 0);
    return {
      macs: alive(this.#places),
      ips: alive(this.#addresses),
      pushedOut: this.#places.evicted + this.#addresses.evicted,
    };
  }

  /** This machine sent a message with one of its own addresses. */
  sent(hash: number, nowMs: number): void {
    this.#sentHash[hash & (RECENT - 1)] = hash;
    this.#sentMs[hash & (RECENT - 1)] = nowMs;
  }

  /** Whether this very message was sent from here just now: a hub, a bridge or a loop brings it back. */
  sentLately(hash: number, nowMs: number): boolean {
    const at = hash & (RECENT - 1);
    return this.#sentHash[at] === hash && nowMs - (this.#sentMs[at] as number) <= MOMENT_MS;
  }

  /**
   * A message came in on `at`.
   * @param vlan of the tag that the kernel took off; 0: none
   */
  heard(heard: Heard, at: Link, vlan: number, hash: number, nowMs: number): Finding | null {
    const { sourceMac } = heard;
    if (this.#rules.moving(sourceMac)) return null;
    const tag = vlan !== 0 ? vlan : heard.vlan;
    if (this.#topology.byMac.has(sourceMac)) return this.#heardOwn(heard, at, tag, hash, nowMs);
    // Only a port is a place: the bridge above hears everything once more, as what stands on an interface does.
    const finding = at.masterKind === "bridge" ? this.#heardAt(heard, at, tag, hash, nowMs) : null;
    return finding ?? this.claimed(heard, at, tag, nowMs);
  }

  #heardOwn(heard: Heard, at: Link, vlan: number, hash: number, nowMs: number): Finding | null {
    if (this.sentLately(hash, nowMs)) return null;
    const duplicated = this.#topology.ownerOf(heard.sourceMac, at, vlan, this.#rules.listened);
    if (duplicated === null) return null;
    return {
      what: "own-address-outside",
      mac: heard.sourceMac,
      otherMac: null,
      ip: ipText(heard.family, heard.ip),
      heardOn: at,
      alsoOn: null,
      duplicated,
    };
  }

  /** Notes at which port of a bridge an address is; one that goes to and fro is at both. */
  #heardAt(heard: Heard, at: Link, vlan: number, hash: number, nowMs: number): Finding | null {
    const { sourceMac } = heard;
    this.#key[0] = Math.floor(sourceMac / 2 ** 32);
    this.#key[1] = (sourceMac % 2 ** 32) | 0;
    this.#key[2] = this.#topology.segmentOf(at);
    this.#key[3] = vlan;
    const known = this.#places.hear(this.#key, nowMs, this.#rules.expiryMs);
    if (known < 0) {
      const slot = -1 - known;
      this.#port[slot] = this.#first[slot] = at.number;
      this.#before[slot] = this.#moves[slot] = 0;
      this.#lastHash[slot] = hash;
      this.#lastMs[slot] = this.#sinceMs[slot] = nowMs;
      return null;
    }
    const slot = known;
    const from = this.#port[slot] as number;
    const copy = this.#lastHash[slot] === hash && nowMs - (this.#lastMs[slot] as number) <= MOMENT_MS;
    this.#lastHash[slot] = hash;
    this.#lastMs[slot] = nowMs;
    // Two ports that bring the same message are a loop, not two hosts.
    if (from === at.number || copy) return null;
    const cameBack = this.#before[slot] === at.number;
    const inTime = nowMs - (this.#sinceMs[slot] as number) <= WINDOW_MS;
    if (!cameBack || !inTime) {
      this.#moves[slot] = 0;
      this.#sinceMs[slot] = nowMs;
      if (!cameBack) this.#first[slot] = from;
    }
    this.#moves[slot] = (this.#moves[slot] as number) + 1;
    this.#before[slot] = from;
    this.#port[slot] = at.number;
    if ((this.#moves[slot] as number) < MOVES) return null;
    this.#moves[slot] = 0;
    return this.#atBoth(heard, at, from, this.#first[slot] as number, nowMs);
  }

  #atBoth(heard: Heard, at: Link, from: number, first: number, nowMs: number): Finding | null {
    const other = this.#topology.links.get(from);
    if (other === undefined) return null;
    // Whoever came later goes, unless others would be cut off with it.
    const [later, earlier] = first === at.number ? [other, at] : [at, other];
    const alone = [later, earlier].filter((link) => this.#isAlone(link, heard.sourceMac, nowMs));
    const local = alone.filter(isLocalEnd);
    return {
      what: "two-ports",
      mac: heard.sourceMac,
      otherMac: null,
      ip: ipText(heard.family, heard.ip),
      heardOn: at,
      alsoOn: other,
      duplicated: local[0] ?? alone[0] ?? null,
    };
  }

  /** Nobody else was heard behind that port. */
  #isAlone(link: Link, mac: number, nowMs: number): boolean {
    const [high, low] = [Math.floor(mac / 2 ** 32), (mac % 2 ** 32) | 0];
    for (let slot = 0; slot < this.#places.slots; slot++) {
      if (this.#port[slot] !== link.number) continue;
      if (nowMs - (this.#places.heardMs[slot] as number) > this.#rules.expiryMs) continue;
      if (this.#places.keyWord(slot, 0) !== high || this.#places.keyWord(slot, 1) !== low) return false;
    }
    return true;
  }

  /** Notes who claims an IP address, own claims too; two who do so in turn are a conflict, which is only told. */
  claimed(heard: Heard, at: Link, vlan: number, nowMs: number): Finding | null {
    const { family, claimedMac, ip } = heard;
    if (family === 0 || this.#rules.moving(claimedMac)) return null;
    for (let i = 0; i < 4; i++) this.#ipKey[i] = ip[i] as number;
    this.#ipKey[4] = this.#topology.segmentOf(at);
    this.#ipKey[5] = vlan;
    const known = this.#addresses.hear(this.#ipKey, nowMs, this.#rules.expiryMs);
    const slot = known < 0 ? -1 - known : known;
    if (known < 0) {
      this.#owner[slot] = claimedMac;
      this.#ownerBefore[slot] = this.#ownerMoves[slot] = 0;
      this.#saidMs[slot] = Number.NEGATIVE_INFINITY;
      return null;
    }
    const before = this.#owner[slot] as number;
    if (before === claimedMac) return null;
    const cameBack = this.#ownerBefore[slot] === claimedMac;
    if (!cameBack || nowMs - (this.#ownerSinceMs[slot] as number) > WINDOW_MS) {
      this.#ownerMoves[slot] = 0;
      this.#ownerSinceMs[slot] = nowMs;
    }
    this.#ownerMoves[slot] = (this.#ownerMoves[slot] as number) + 1;
    this.#ownerBefore[slot] = before;
    this.#owner[slot] = claimedMac;
    const said = nowMs - (this.#saidMs[slot] as number) < AGAIN_MS;
    if ((this.#ownerMoves[slot] as number) < IP_MOVES || said) return null;
    this.#saidMs[slot] = nowMs;
    return {
      what: "two-owners",
      mac: claimedMac,
      otherMac: before,
      ip: ipText(family, ip),
      heardOn: at,
      alsoOn: null,
      duplicated: null,
    };
  }
}
