import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { buildProgram } from "../test/programs/build.ts";
import type { Effort, Figure, Finding } from "./figures.ts";
import { median, quantile } from "./figures.ts";
import { NamespacedGuard } from "./namespaced-guard.ts";
import { ReferenceProgram } from "./reference-program.ts";

const MAC = "02:00:00:00:00:0a";
/** A gratuitous ARP of that address: broadcast, request, 10.9.0.2 for itself. */
const FRAME = [
  "ffffffffffff 02000000000a 0806",
  "0001 0800 06 04 0001 02000000000a 0a090002 000000000000 0a090002",
]
  .join("")
  .replaceAll(" ", "");
const FLOOD_PER_SECOND = 10_000;
const FLOOD_S = 10;

/**
 * Two network namespaces and a pair of interfaces between them. In one, the guard; from the other a frame with the
 * guard's interface's own address. Measured there: from sending it to the carrier's loss, which is the interface going down.
 */
export async function benchDuplicateMac({ smoke }: Effort): Promise<Finding> {
  const rounds = smoke ? 3 : 200;
  const built = buildProgram("arp", ["test/programs/arp.c"]);
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-bench-"));
  const [near, far] = [`plimsoll-bench-${process.pid}-a`, `plimsoll-bench-${process.pid}-b`];
  if (built.path === undefined) return nothing(`without C: ${built.reason}`);
  try {
    const refusal = makePair(near, far);
    if (refusal !== null) return nothing(refusal);
    const guard = await NamespacedGuard.start(near, home, 'duplicate = "down"\ninterfaces = ["eth0"]');
    const us: number[] = [];
    try {
      const args = ["netns", "exec", far, built.path, "race", "eth0", FRAME];
      const race = ReferenceProgram.start("/usr/sbin/ip", args);
      for (let round = 0; round < rounds; round++) {
        us.push(Number(await race.ask("go")));
        ip("-n", near, "link", "set", "eth0", "down");
        ip("-n", near, "link", "set", "eth0", "up");
      }
      await race.stop();
    } finally {
      await guard.stop();
    }
    const share = await floodShare(near, far, home, built.path, smoke ? 2 : FLOOD_S);
    return found(us, share, rounds);
  } finally {
    for (const name of [near, far]) ip("netns", "del", name);
    fs.rmSync(home, { recursive: true, force: true });
  }
}

/** The share of one processor that the guard takes while strangers flood it, beside what it takes in peace. */
async function floodShare(near: string, far: string, home: string, sender: string, seconds: number) {
  const guard = await NamespacedGuard.start(near, home, 'duplicate = "log"');
  try {
    ip("-n", near, "link", "set", "eth0", "up");
    const calmUs = guard.cpuUs();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const calm = (guard.cpuUs() - calmUs) / seconds / 1e6;
    const beganUs = guard.cpuUs();
    const rssKib = guard.residentKib();
    const count = String(FLOOD_PER_SECOND * seconds);
    const began = performance.now();
    const frame = FRAME.replaceAll("02000000000a", "02000000000c");
    await guard.run([
      "ip",
      "netns",
      "exec",
      far,
      sender,
      "flood",
      "eth0",
      count,
      String(FLOOD_PER_SECOND),
      frame,
    ]);
    const tookS = (performance.now() - began) / 1000;
    const flooded = (guard.cpuUs() - beganUs) / tookS / 1e6;
    return {
      calm,
      flooded,
      grewKib: guard.residentKib() - rssKib,
      perSecond: FLOOD_PER_SECOND * (seconds / tookS),
    };
  } finally {
    await guard.stop();
  }
}

function found(
  us: readonly number[],
  share: Awaited<ReturnType<typeof floodShare>>,
  rounds: number,
): Finding {
  const down: Figure = {
    name: "duplicate MAC to interface down",
    unit: "ms",
    ours: median(us) / 1000,
    reference: null,
    against: null,
    ratio: null,
    target: { of: "ours", limit: 5, inclusive: false },
    note: `from the frame's sending to the carrier's loss at the other end of a veth pair; median of ${rounds}`,
  };
  const flood: Figure = {
    ...down,
    name: "guard's CPU in an ARP flood",
    unit: "% of a core",
    ours: share.flooded * 100,
    reference: share.calm * 100,
    against: "calm",
    target: null,
    note: `${Math.round(share.perSecond)} ARP requests a second, each of another address; grew by ${share.grewKib} KiB`,
  };
  const slow = quantile(us, 0.99) / 1000;
  return {
    bench: "duplicate-mac",
    figures: [down, flood],
    evidence: [`${us.length} of ${rounds} interfaces went down; 99 of 100 within ${slow.toFixed(2)} ms`],
  };
}

const nothing = (why: string): Finding => ({ bench: "duplicate-mac", figures: [], evidence: [why] });

function makePair(near: string, far: string): string | null {
  for (const name of [near, far]) {
    const { status, stderr, error } = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" });
    if (status !== 0) return `without network namespaces: ${error?.message ?? stderr.trim()}`;
  }
  const peer = ["peer", "name", "eth0", "netns", far];
  const pair = ["link", "add", "name", "eth0", "address", MAC, "type", "veth", ...peer];
  if (!ip("-n", near, ...pair)) return "without veth interfaces";
  for (const name of [near, far]) ip("-n", name, "link", "set", "eth0", "up");
  return null;
}

const ip = (...args: string[]): boolean => spawnSync("ip", args).status === 0;
