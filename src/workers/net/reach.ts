import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  carriersOf,
  connectedAddresses,
  defaultRouteInterfaces,
  kernelAddress,
  listeningPorts,
} from "../../core/net/guarded.ts";
import type { Topology } from "../../core/net/topology.ts";
import { monotonicUs } from "../common/clock.ts";

const SSH_PORT = 22;
/** Who listens for SSH changes seldom, and finding out takes a look at every process. */
const PORTS_MS = 60_000;
const SESSIONS_MS = 10_000;
/** Reading the connections is put before an act when it takes no longer than this: with many, it takes the kernel long. */
const QUICK_US = 500;

/** By which interfaces this machine is reached: its default routes, and the sessions of SSH. */
export class Reach {
  readonly #procRoot: string;
  #ports = new Set([SSH_PORT]);
  #portsMs = Number.NEGATIVE_INFINITY;
  #sessions = new Set<string>();
  #sessionsMs = Number.NEGATIVE_INFINITY;
  #tookUs = 0;

  constructor(procRoot: string) {
    this.#procRoot = procRoot;
  }

  /** Looks again at what may have changed: to be called now and then, so that little is to be read before an act. */
  refresh(nowMs: number): void {
    if (nowMs - this.#portsMs > PORTS_MS) {
      this.#portsMs = nowMs;
      this.#ports = this.#sshPorts();
    }
    if (nowMs - this.#sessionsMs > SESSIONS_MS) this.#readSessions(nowMs);
  }

  /** Why an interface is not put down by itself; null: it may be. */
  why(topology: Topology, number: number, nowMs: number): string | null {
    const routed = defaultRouteInterfaces(this.#read("route"), this.#read("ipv6_route"));
    if (carriersOf(topology, routed).has(number)) return "it carries the default route";
    if (this.#tookUs < QUICK_US) this.#readSessions(nowMs);
    return carriersOf(topology, this.#sessions).has(number) ? "it carries an SSH session" : null;
  }

  #readSessions(nowMs: number): void {
    const beganUs = monotonicUs();
    this.#sessionsMs = nowMs;
    const addresses = connectedAddresses(this.#read("tcp"), this.#ports);
    for (const address of connectedAddresses(this.#read("tcp6"), this.#ports)) addresses.add(address);
    const names = new Set<string>();
    if (addresses.size > 0) {
      for (const [name, list] of Object.entries(os.networkInterfaces())) {
        if (list?.some(({ address }) => addresses.has(kernelAddress(address) ?? ""))) names.add(name);
      }
    }
    this.#sessions = names;
    this.#tookUs = monotonicUs() - beganUs;
  }

  /** Ports that a process called sshd listens on, and the usual one. */
  #sshPorts(): Set<number> {
    const inodes = new Set<string>();
    for (const pid of this.#list("").filter((name) => /^\d+$/.test(name))) {
      if (!this.#text(`${pid}/comm`).startsWith("sshd")) continue;
      for (const descriptor of this.#list(`${pid}/fd`)) {
        const inode = /^socket:\[(\d+)\]$/.exec(this.#link(`${pid}/fd/${descriptor}`))?.[1];
        if (inode !== undefined) inodes.add(inode);
      }
    }
    const ports = new Set([SSH_PORT]);
    if (inodes.size === 0) return ports;
    for (const table of ["tcp", "tcp6"]) {
      for (const port of listeningPorts(this.#read(table), inodes)) ports.add(port);
    }
    return ports;
  }

  /** Of the guard's own network namespace. */
  #read(table: string): string {
    return this.#text(`self/net/${table}`);
  }

  #text(file: string): string {
    try {
      return fs.readFileSync(path.join(this.#procRoot, file), "latin1");
    } catch {
      return "";
    }
  }

  #list(directory: string): string[] {
    try {
      return fs.readdirSync(path.join(this.#procRoot, directory));
    } catch {
      return [];
    }
  }

  #link(file: string): string {
    try {
      return fs.readlinkSync(path.join(this.#procRoot, file));
    } catch {
      return "";
    }
  }
}
