import { emptyHeard, messageHash, parseFrame } from "../../core/net/frames.ts";
import type { Link } from "../../core/net/links.ts";
import { movingMacs } from "../../core/net/mac.ts";
import { Neighbours } from "../../core/net/neighbours.ts";
import { Topology } from "../../core/net/topology.ts";

const TURNS = 500;

/** Listens to an interface that does not exist, so that what judges a frame is compiled when the first one comes. */
export function rehearse(): void {
  const own = 0x020000000001;
  const link: Link = {
    number: 1,
    name: "",
    mac: own,
    up: true,
    loopback: false,
    master: 0,
    parent: 0,
    kind: "",
    masterKind: "",
    vlan: 0,
  };
  const topology = new Topology(new Map([[1, link]]));
  const rules = { expiryMs: 1000, moving: movingMacs([]), listened: () => true };
  const neighbours = new Neighbours(topology, rules);
  const heard = emptyHeard();
  const frame = new Uint8Array(42);
  frame.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
  frame.set([2, 0, 0, 0, 0, 1, 10, 0, 0, 1], 22);
  for (let turn = 0; turn < TURNS; turn++) {
    frame[41] = turn;
    frame[11] = 1 + (turn % 2);
    if (!parseFrame(frame, 0, frame.length, heard)) throw new Error("the rehearsal's frame is none");
    neighbours.heard(heard, link, 0, messageHash(frame, 0, heard), turn);
  }
}
