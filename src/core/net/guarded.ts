import type { Link } from "./links.ts";
import { isLocalEnd, type Topology } from "./topology.ts";

/** Interfaces by which this machine is reached: they are not put down unless the policy names them. */

const ESTABLISHED = "01";
const LISTENING = "0A";
const RTF_UP = 1;
const RTF_REJECT = 0x200;

/** Interfaces of default routes: lines of /proc/net/route and /proc/net/ipv6_route (proc_pid_net(5)). */
export function defaultRouteInterfaces(route: string, ipv6Route: string): Set<string> {
  const names = new Set<string>();
  for (const line of route.split("\n").slice(1)) {
    const [name, destination, , flags, , , , mask] = line.trim().split(/\s+/);
    if (name === undefined || destination !== "00000000" || mask !== "00000000") continue;
    if ((parseInt(flags ?? "", 16) & RTF_UP) !== 0) names.add(name);
  }
  for (const line of ipv6Route.split("\n")) {
    const [destination, length, , , , , , , flags, name] = line.trim().split(/\s+/);
    if (name === undefined || name === "lo" || !/^0{32}$/.test(destination ?? "") || length !== "00")
      continue;
    const bits = parseInt(flags ?? "", 16);
    if ((bits & RTF_UP) !== 0 && (bits & RTF_REJECT) === 0) names.add(name);
  }
  return names;
}

/** One line of /proc/net/tcp or tcp6. */
interface Connection {
  /** In hexadecimal, as the kernel writes it. */
  readonly address: string;
  readonly port: number;
  readonly state: string;
  readonly inode: string;
}

function* connections(text: string): Generator<Connection> {
  for (const line of text.split("\n").slice(1)) {
    const parts = line.trim().split(/\s+/);
    const [address, port] = (parts[1] ?? "").split(":");
    if (address === undefined || port === undefined || parts[3] === undefined) continue;
    yield { address, port: parseInt(port, 16), state: parts[3], inode: parts[9] ?? "" };
  }
}

/** Ports that are listened on by one of these sockets (their inodes). */
export function listeningPorts(tcp: string, inodes: ReadonlySet<string>): Set<number> {
  const ports = new Set<number>();
  for (const { port, state, inode } of connections(tcp)) {
    if (state === LISTENING && inodes.has(inode)) ports.add(port);
  }
  return ports;
}

/** Own addresses of established connections to one of these local ports; as {@link kernelAddress} writes them. */
export function connectedAddresses(tcp: string, ports: ReadonlySet<number>): Set<string> {
  const addresses = new Set<string>();
  for (const { address, port, state } of connections(tcp)) {
    if (state !== ESTABLISHED || !ports.has(port)) continue;
    // An IPv4 connection of a socket for both: ::ffff:a.b.c.d.
    addresses.add(address.startsWith("0000000000000000FFFF0000") ? address.slice(24) : address);
  }
  return addresses;
}

/** An address as /proc/net/tcp writes it: words of 32 bits in the machine's order, in hexadecimal. Null: it is none. */
export function kernelAddress(address: string): string | null {
  const bytes = address.includes(":") ? ipv6Bytes(address) : ipv4Bytes(address);
  if (bytes === null) return null;
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    for (let i = 3; i >= 0; i--) text += (bytes[at + i] as number).toString(16).padStart(2, "0");
  }
  return text.toUpperCase();
}

function ipv4Bytes(address: string): number[] | null {
  const bytes = address.split(".").map(Number);
  return bytes.length === 4 && bytes.every((byte) => byte >= 0 && byte <= 255) ? bytes : null;
}

function ipv6Bytes(address: string): number[] | null {
  const [head, tail] = (address.split("%")[0] as string).split("::") as [string, string | undefined];
  const groups = (part: string | undefined): string[] =>
    part === undefined || part === "" ? [] : part.split(":");
  const [first, last] = [groups(head), groups(tail)];
  const missing = 8 - first.length - last.length;
  if (missing < 0 || (tail === undefined && missing !== 0)) return null;
  const all = [...first, ...Array.from({ length: missing }, () => "0"), ...last].map((group) =>
    parseInt(group, 16),
  );
  return all.some(Number.isNaN) ? null : all.flatMap((group) => [group >> 8, group & 255]);
}

/**
 * All whose loss would cut off one of `named`: themselves, what they stand on, the slaves of a bond, a bridge's ports to the
 * outside (the ends of containers and machines are not).
 */
export function carriersOf(topology: Topology, named: Iterable<string>): Set<number> {
  const wanted = new Set(named);
  const carriers = new Set<number>();
  const add = (link: Link | undefined): void => {
    if (link === undefined || carriers.has(link.number)) return;
    carriers.add(link.number);
    if (link.parent !== 0) add(topology.links.get(link.parent));
    for (const below of topology.related(link.number)) {
      if (below.master === link.number && !isLocalEnd(below)) add(below);
    }
  };
  for (const link of topology.links.values()) if (wanted.has(link.name)) add(link);
  return carriers;
}
