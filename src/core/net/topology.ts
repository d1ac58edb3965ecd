import type { Link } from "./links.ts";
import { isUnicast } from "./mac.ts";

/** Ends that are on this machine: of a container or a virtual machine. Whoever is behind one is alone there, mostly. */
const LOCAL_ENDS = new Set(["veth", "tun", "macvtap", "ipvtap"]);

export const isLocalEnd = (link: Link): boolean => LOCAL_ENDS.has(link.kind);

/** Which interfaces there are, and how they hang together. Replaced as a whole when something changes. */
export class Topology {
  readonly links: ReadonlyMap<number, Link>;
  /** Local interfaces by their address; several may share one (VLANs, a bridge and its port, a bond). */
  readonly byMac: ReadonlyMap<number, readonly Link[]>;
  readonly #children = new Map<number, Link[]>();

  constructor(links: ReadonlyMap<number, Link>) {
    this.links = links;
    const byMac = new Map<number, Link[]>();
    for (const link of links.values()) {
      for (const above of new Set([link.master, link.parent])) {
        if (above !== 0) append(this.#children, above, link);
      }
      if (isUnicast(link.mac) && !link.loopback) append(byMac, link.mac, link);
    }
    this.byMac = byMac;
  }

  /** Those whose master or parent it is. */
  related(number: number): readonly Link[] {
    return this.#children.get(number) ?? [];
  }

  portsOf(bridge: number): readonly Link[] {
    return this.related(bridge).filter((link) => link.master === bridge);
  }

  /** The bridge that a port belongs to, what a macvlan stands on, else the interface itself: those hear the same frames. */
  segmentOf(link: Link): number {
    if (link.masterKind === "bridge") return link.master;
    return link.kind === "macvlan" && link.parent !== 0 ? link.parent : link.number;
  }

  /**
   * Which interface a frame on `at` with an own source address is about: who would have to go.
   * @returns null: it is nobody's matter (another network, or heard a second time above a port)
   */
  ownerOf(mac: number, at: Link, vlan: number, listened: (link: Link) => boolean): Link | null {
    const owners = this.byMac.get(mac) ?? [];
    if (vlan !== 0) return owners.find((link) => link.parent === at.number && link.vlan === vlan) ?? null;
    if (owners.includes(at)) {
      // What a bridge hears came in by a port, where it is heard first.
      const heardBelow = at.kind === "bridge" && this.portsOf(at.number).every(listened);
      return heardBelow && this.portsOf(at.number).length > 0 ? null : at;
    }
    const above = owners.find((link) => link.parent === at.number && link.vlan === 0);
    if (above !== undefined) return above;
    if (at.masterKind !== "bridge") return null;
    const owner = owners.find((link) => link.number === at.master || link.master === at.master);
    // Somebody on this very machine has taken the bridge's address: that one goes, not the bridge.
    return owner === undefined ? null : isLocalEnd(at) ? at : owner;
  }
}

function append<Key>(lists: Map<Key, Link[]>, key: Key, link: Link): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [link]);
  else list.push(link);
}
