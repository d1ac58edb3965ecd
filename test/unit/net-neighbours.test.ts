import { describe, expect, test } from "vitest";
import { emptyHeard, messageHash, parseFrame } from "../../src/core/net/frames.ts";
import {
  carriersOf,
  connectedAddresses,
  defaultRouteInterfaces,
  kernelAddress,
} from "../../src/core/net/guarded.ts";
import type { Link } from "../../src/core/net/links.ts";
import { movingMacs } from "../../src/core/net/mac.ts";
import { type Finding, Neighbours } from "../../src/core/net/neighbours.ts";
import { onProbation, PROBATION_MS, putDown } from "../../src/core/net/retest.ts";
import { Topology } from "../../src/core/net/topology.ts";
import { arp, mac } from "../support/frames.ts";

const OWN = "02:00:00:00:00:01";
const GUEST = "02:00:00:00:00:aa";

let numbers = 0;
function link(name: string, options: Partial<Omit<Link, "mac">> & { readonly mac?: string } = {}): Link {
  const { mac: address = `02:ff:00:00:00:${(++numbers).toString(16).padStart(2, "0")}`, ...rest } = options;
  return {
    number: numbers++ + 100,
    name,
    up: true,
    loopback: false,
    master: 0,
    parent: 0,
    kind: "",
    masterKind: "",
    vlan: 0,
    ...rest,
    mac: mac(address),
  };
}

/** A machine with its interfaces, all listened to, that hears and sends. */
class Machine {
  nowMs = 1_000_000;
  readonly neighbours: Neighbours;
  readonly #heard = emptyHeard();

  constructor(links: readonly Link[], listened: (link: Link) => boolean = () => true) {
    const topology = new Topology(new Map(links.map((each) => [each.number, each])));
    this.neighbours = new Neighbours(topology, { expiryMs: 300_000, moving: movingMacs([]), listened });
  }

  hears(at: Link, frame: Uint8Array, vlan = 0): Finding | null {
    expect(parseFrame(frame, 0, frame.length, this.#heard)).toBe(true);
    return this.neighbours.heard(this.#heard, at, vlan, messageHash(frame, 0, this.#heard), this.nowMs);
  }

  sends(frame: Uint8Array): void {
    expect(parseFrame(frame, 0, frame.length, this.#heard)).toBe(true);
    this.neighbours.sent(messageHash(frame, 0, this.#heard), this.nowMs);
  }
}

/** Requests of one host: each another one, as hosts ask for several. */
let asked = 0;
const talk = (source: string, ip = "10.0.0.1"): Uint8Array =>
  arp({ source, ip, asks: `10.0.${(++asked >> 8) & 255}.${asked & 255}` });

describe("an own address", () => {
  test("heard from outside is a duplicate of the interface that has it", () => {
    const eth = link("eth0", { mac: OWN });
    const found = new Machine([eth]).hears(eth, talk(OWN, "10.0.0.77"));
    expect(found).toMatchObject({
      what: "own-address-outside",
      mac: mac(OWN),
      ip: "10.0.0.77",
      duplicated: eth,
    });
  });

  test("that a hub, a bridge or a loop brings back is none", () => {
    const eth = link("eth0", { mac: OWN });
    const machine = new Machine([eth]);
    const frame = talk(OWN);
    machine.sends(frame);
    machine.nowMs += 900;
    expect(machine.hears(eth, frame)).toBeNull();
    machine.nowMs += 200;
    expect(machine.hears(eth, frame)).not.toBeNull();
  });

  test("of a redundancy group on both hosts is none: VRRP fails over", () => {
    const vrrp = link("vrrp.51", { mac: "00:00:5e:00:01:33", kind: "macvlan" });
    expect(new Machine([vrrp]).hears(vrrp, talk("00:00:5e:00:01:33"))).toBeNull();
  });

  test("of a VLAN interface is a matter of its VLAN alone", () => {
    const eth = link("eth0", { mac: OWN });
    const tagged = link("eth0.7", { mac: OWN, kind: "vlan", parent: eth.number, vlan: 7 });
    const machine = new Machine([eth, tagged]);
    expect(machine.hears(eth, talk(OWN), 7)?.duplicated).toBe(tagged);
    expect(machine.hears(eth, talk(OWN), 8)).toBeNull();
    expect(machine.hears(eth, talk(OWN))?.duplicated).toBe(eth);
  });

  test("of a macvlan interface is its matter, not its parent's", () => {
    const eth = link("eth0");
    const above = link("macvlan0", { mac: OWN, kind: "macvlan", parent: eth.number });
    expect(new Machine([eth, above]).hears(eth, talk(OWN))?.duplicated).toBe(above);
  });

  test("that a bridge shares with its port is the port's matter; the bridge hears it a second time", () => {
    const bridge = link("br0", { mac: OWN, kind: "bridge" });
    const port = link("eth0", { mac: OWN, master: bridge.number, masterKind: "bridge" });
    const machine = new Machine([bridge, port]);
    expect(machine.hears(port, talk(OWN))?.duplicated).toBe(port);
    expect(machine.hears(bridge, talk(OWN))).toBeNull();
    const deaf = new Machine([bridge, port], ({ name }) => name === "br0");
    expect(deaf.hears(bridge, talk(OWN))?.duplicated).toBe(bridge);
  });

  test("that a guest takes costs the guest its port, not the machine its bridge", () => {
    const bridge = link("br0", { mac: OWN, kind: "bridge" });
    const port = link("eth0", { mac: OWN, master: bridge.number, masterKind: "bridge" });
    const guest = link("vnet0", { master: bridge.number, masterKind: "bridge", kind: "tun" });
    expect(new Machine([bridge, port, guest]).hears(guest, talk(OWN))?.duplicated).toBe(guest);
  });

  test("of a bond and its slaves, and of an interface on another network, is nobody's matter elsewhere", () => {
    const bond = link("bond0", { mac: OWN, kind: "bond" });
    const slave = link("eth0", { mac: OWN, master: bond.number, masterKind: "bond" });
    const other = link("eth1");
    const machine = new Machine([bond, slave, other]);
    const frame = talk(OWN);
    machine.sends(frame);
    expect(machine.hears(bond, frame)).toBeNull();
    expect(machine.hears(other, talk(OWN))).toBeNull();
    expect(machine.hears(bond, talk(OWN))?.duplicated).toBe(bond);
  });
});

describe("another's address, on the ports of a bridge,", () => {
  const bridge = link("br0", { kind: "bridge" });
  const port = (name: string, kind = "veth"): Link =>
    link(name, { master: bridge.number, masterKind: "bridge", kind });
  const [p, q, uplink] = [port("p"), port("q"), port("eth0", "")];
  const start = (): Machine => new Machine([bridge, p, q, uplink]);

  test("in turn at two is a duplicate: whoever came later goes", () => {
    const machine = start();
    const found = [p, q, p, q].map((at) => {
      machine.nowMs += 1000;
      // The bridge hears it too, before the port's own socket is read or after.
      const frame = talk(GUEST);
      expect(machine.hears(bridge, frame)).toBeNull();
      return machine.hears(at, frame);
    });
    expect(found.slice(0, 3)).toEqual([null, null, null]);
    expect(found[3]).toMatchObject({ what: "two-ports", heardOn: q, alsoOn: p, duplicated: q });
  });

  test("in turn at a guest's port and at the way out is the guest's matter", () => {
    const machine = start();
    machine.hears(uplink, talk("02:00:00:00:00:cc", "10.0.0.5"));
    const found = [q, uplink, q, uplink].map((at) => machine.hears(at, talk(GUEST)));
    expect(found[3]?.duplicated).toBe(q);
  });

  test("behind two ways out is told of, and nobody is cut off", () => {
    const machine = start();
    machine.hears(uplink, talk("02:00:00:00:00:cc", "10.0.0.5"));
    machine.hears(p, talk("02:00:00:00:00:dd", "10.0.0.6"));
    const found = [p, uplink, p, uplink].map((at) => machine.hears(at, talk(GUEST)));
    expect(found[3]).toMatchObject({ what: "two-ports", duplicated: null });
  });

  test("that moves once, as a machine does that migrates, is none; nor when it comes back another day", () => {
    const machine = start();
    for (const at of [p, p, q, q, q]) expect(machine.hears(at, talk(GUEST))).toBeNull();
    for (const at of [p, q, p, q]) {
      machine.nowMs += 31_000;
      expect(machine.hears(at, talk(GUEST))).toBeNull();
    }
  });

  test("in one message that comes by two ports is a loop", () => {
    const machine = start();
    for (let i = 0; i < 10; i++) {
      const frame = talk(GUEST);
      machine.nowMs += 2000;
      expect(machine.hears(p, frame)).toBeNull();
      machine.nowMs += 1;
      expect(machine.hears(q, frame)).toBeNull();
    }
  });
});

describe("an IP address", () => {
  const eth = link("eth0");
  const [A, B] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b"];

  test("that two claim in turn is told of, once a minute", () => {
    const machine = new Machine([eth]);
    const say = (source: string): Finding | null => machine.hears(eth, arp({ source, ip: "10.0.0.9" }));
    expect([say(A), say(B)]).toEqual([null, null]);
    expect(say(A)).toMatchObject({
      what: "two-owners",
      ip: "10.0.0.9",
      mac: mac(A),
      otherMac: mac(B),
      duplicated: null,
    });
    expect([say(B), say(A)]).toEqual([null, null]);
    machine.nowMs += 61_000;
    expect([say(B), say(A), say(B)].filter((found) => found !== null)).toHaveLength(1);
  });

  test("that goes over to another host, or to a redundancy group, is not", () => {
    const machine = new Machine([eth]);
    for (const source of [A, A, B, B, "00:00:5e:00:01:01", B, "00:00:5e:00:01:01", B])
      expect(machine.hears(eth, arp({ source, ip: "10.0.0.9" }))).toBeNull();
  });
});

describe("a flood of addresses", () => {
  test("fills a fixed memory; who is heard again and again stays known", () => {
    const bridge = link("br0", { kind: "bridge" });
    const [p, q] = ["p", "q"].map((name) =>
      link(name, { master: bridge.number, masterKind: "bridge", kind: "veth" }),
    ) as [Link, Link];
    const own = link("eth0", { mac: OWN });
    const machine = new Machine([bridge, p, q, own]);
    for (let i = 0; i < 30_000; i++) {
      const part = (shift: number): string => ((i >> shift) & 255).toString(16).padStart(2, "0");
      const found = machine.hears(
        p,
        talk(
          `06:00:00:${part(16)}:${part(8)}:${part(0)}`,
          `10.${i & 127}.${(i >> 7) & 255}.${(i >> 15) & 255}`,
        ),
      );
      expect(found).toBeNull();
      machine.nowMs += 0.1;
    }
    const { macs, ips, pushedOut } = machine.neighbours.size(machine.nowMs);
    expect(macs).toBeLessThanOrEqual(4096);
    expect(ips).toBeLessThanOrEqual(4096);
    expect(macs).toBeGreaterThan(3000);
    expect(pushedOut).toBeGreaterThan(45_000);
    expect(machine.hears(own, talk(OWN))?.duplicated).toBe(own);
    expect([p, q, p, q].map((at) => machine.hears(at, talk(GUEST)))[3]).not.toBeNull();
    machine.nowMs += 300_001;
    expect(machine.neighbours.size(machine.nowMs).macs).toBe(0);
  }, 60_000);
});

describe("interfaces by which the machine is reached", () => {
  const ROUTE = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0100A8C0	0003	0	0	0	00000000	0	0	0
eth1	0000A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
eth2	00000000	0100A8C0	0002	0	0	0	00000000	0	0	0
`;
  const zero = "0".repeat(32);
  const IPV6 = `${zero} 00 ${zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 wlan0
${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200       lo
`;

  test("are those of default routes", () => {
    expect(defaultRouteInterfaces(ROUTE, IPV6)).toEqual(new Set(["eth0", "wlan0"]));
    expect(defaultRouteInterfaces("", "")).toEqual(new Set());
  });

  test("are those with the address of an SSH session", () => {
    const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100000A:0016 0200000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 0300000A:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0
   2: 0400000A:0050 0200000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0
   3: 0000000000000000FFFF00000500000A:0016 0000000000000000FFFF00000200000A:C350 01 0:0 0:0 0 0 0 4
`;
    const addresses = connectedAddresses(tcp, new Set([22]));
    expect(addresses).toEqual(new Set(["0100000A", "0500000A"]));
    expect(kernelAddress("10.0.0.1")).toBe("0100000A");
    expect(kernelAddress("fe80::1")).toBe("000080FE000000000000000001000000");
    expect(kernelAddress("no address")).toBeNull();
  });

  test("are also what those stand on, but not the ends of guests", () => {
    const bridge = link("br0", { kind: "bridge" });
    const tagged = link("eth1.7", { kind: "vlan", parent: 999 });
    const below = { ...link("eth1"), number: 999 };
    const port = link("eth0", { master: bridge.number, masterKind: "bridge" });
    const guest = link("vnet0", { master: bridge.number, masterKind: "bridge", kind: "tun" });
    const links = [bridge, tagged, below, port, guest];
    const topology = new Topology(new Map(links.map((each) => [each.number, each])));
    expect(carriersOf(topology, ["br0"])).toEqual(new Set([bridge.number, port.number]));
    expect(carriersOf(topology, ["eth1.7"])).toEqual(new Set([tagged.number, 999]));
  });
});

test("an interface that is tried again and fails is down for twice as long each time", () => {
  let trial = putDown(null, 1000, 0);
  expect(trial).toEqual({ phase: "down", dueMs: 1000, times: 1 });
  trial = onProbation(trial, 1000);
  expect(trial).toEqual({ phase: "probation", dueMs: 1000 + PROBATION_MS, times: 1 });
  trial = putDown(trial, 1000, 2000);
  expect(trial).toEqual({ phase: "down", dueMs: 4000, times: 2 });
  expect(putDown(trial, 1000, 5000).dueMs).toBe(9000);
});
