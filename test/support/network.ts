import { execFileSync, spawnSync } from "node:child_process";
import type { TestContext } from "vitest";
import { buildProgram } from "../programs/build.ts";

/** Namespaces of our own, with pairs of interfaces between them. Nothing of the machine's own namespace is touched. */

export const networkNamespaces = (): string | null => {
  const name = `plimsoll-need-${process.pid}`;
  const made = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" });
  if (made.status !== 0) return `needs network namespaces: ${made.error?.message ?? made.stderr.trim()}`;
  const linked = spawnSync("ip", [
    "-n",
    name,
    "link",
    "add",
    "need0",
    "type",
    "veth",
    "peer",
    "name",
    "need1",
  ]);
  spawnSync("ip", ["netns", "del", name]);
  return linked.status === 0 ? null : "needs veth interfaces in network namespaces";
};

export const arping = (): string | null =>
  spawnSync("arping", ["-h"]).error === undefined ? null : "needs arping (Debian: arping)";

/** tc with a queueing discipline of this kind, in a namespace of its own. */
function queueing(kind: string, ...options: string[]): string | null {
  const name = `plimsoll-need-tc-${process.pid}`;
  const ip = (...args: string[]): boolean => spawnSync("ip", args).status === 0;
  if (!ip("netns", "add", name)) return "needs network namespaces";
  const args = ["-n", name, "qdisc", "add", "dev", "lo", "root", kind, ...options];
  const { status, error, stderr } = spawnSync("tc", args, { encoding: "utf8" });
  ip("netns", "del", name);
  return status === 0 ? null : `needs tc with ${kind}: ${error?.message ?? stderr.trim()}`;
}

/** What delays. */
export const networkEmulation = (): string | null => queueing("netem", "delay", "1ms");

/** The token bucket; without netem nothing is delayed. */
export const trafficControl = (): string | null =>
  queueing("tbf", "rate", "1mbit", "burst", "70000", "latency", "50ms");

/** For a policy: what else would be guarded is not. */
export const NOTHING_ELSE = ["memory", "cpu", "disk", "io", "vm"]
  .map((table) => `[${table}]\nenabled = false\n`)
  .join("");

let count = 0;

export class Namespace {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** One that is gone after the test, with all that is in it. */
  static make(context: TestContext, what: string): Namespace {
    const namespace = new Namespace(`plimsoll-${process.pid}-${++count}-${what}`);
    execFileSync("ip", ["netns", "add", namespace.name]);
    context.onTestFinished(() => void spawnSync("ip", ["netns", "del", namespace.name]));
    namespace.ip("link", "set", "lo", "up");
    return namespace;
  }

  /** The command in front of one that is to run in it. */
  get under(): string[] {
    return ["ip", "netns", "exec", this.name];
  }

  ip(...args: string[]): string {
    return execFileSync("ip", ["-n", this.name, ...args], { encoding: "utf8", stdio: "pipe" });
  }

  tc(...args: string[]): string {
    return execFileSync("tc", ["-n", this.name, ...args], { encoding: "utf8", stdio: "pipe" });
  }

  /** Runs a command in it. @returns what it said, whether or not it went well */
  run(...command: string[]): string {
    const [program, ...args] = [...this.under, ...command] as [string, ...string[]];
    const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
    return stdout + stderr;
  }

  isUp(device: string): boolean {
    const flags = /<([A-Z0-9_,-]*)>/.exec(this.ip("link", "show", "dev", device))?.[1] ?? "";
    return flags.split(",").includes("UP");
  }

  /** A pair of interfaces: `device` here, `peerDevice` there; both up. */
  pair(device: string, peer: Namespace, peerDevice: string, mac?: string): void {
    const address = mac === undefined ? [] : ["address", mac];
    this.ip(
      "link",
      "add",
      device,
      ...address,
      "type",
      "veth",
      "peer",
      "name",
      peerDevice,
      "netns",
      peer.name,
    );
    this.ip("link", "set", device, "up");
    peer.ip("link", "set", peerDevice, "up");
  }

  /** Announces an address by gratuitous ARP, as a host does that comes or takes over. */
  announce(device: string, ip: string, times = 1): void {
    this.run("arping", "-q", "-c", String(times), "-W", "0.05", "-U", "-P", "-i", device, "-S", ip, ip);
  }

  /** What was sent and received, of /proc/net/dev. */
  counters(device: string): { readonly receivedBytes: number; readonly sentBytes: number } {
    const line = this.run("cat", "/proc/net/dev")
      .split("\n")
      .find((each) => each.trim().startsWith(`${device}:`));
    const numbers = (line ?? "").split(":")[1]?.trim().split(/\s+/).map(Number) ?? [];
    return { receivedBytes: numbers[0] ?? Number.NaN, sentBytes: numbers[8] ?? Number.NaN };
  }
}

/** The program that sends frames as they are: see the head of test/programs/arp.c. */
export function frameSender(): string {
  const { path, reason } = buildProgram("arp", ["test/programs/arp.c"]);
  if (path === undefined) throw new Error(reason);
  return path;
}

export const compiler = (): string | null => {
  const { error } = spawnSync("cc", ["--version"]);
  return error === undefined ? null : `needs cc to build a sender of frames: ${error.message}`;
};

export const hexOf = (frame: Uint8Array): string => Buffer.from(frame).toString("hex");
