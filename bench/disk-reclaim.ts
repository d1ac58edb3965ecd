import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Space, SPACE_COLUMNS } from "../src/core/disk/columns.ts";
import { DiskState } from "../src/core/disk/state.ts";
import { decide, takeLook, takeNames } from "../src/core/disk/step.ts";
import type { DiskPolicy, PlaceRule, Room } from "../src/core/policy/resources.ts";
import { loadPolicy } from "../src/main/config/load-policy.ts";
import { monotonicUs } from "../src/workers/common/clock.ts";
import { freeRoom, Reclaimer } from "../src/workers/lane/disk/reclaim.ts";
import { type Effort, type Finding, median, quantile } from "./figures.ts";

const CANDIDATES = 1000;
const MOUNT = 1;
/** The directory has grown meanwhile, and keeps its blocks: so many files may be left when enough is free. */
const LEFT_FILES = 4;

/** How much of the candidates has to go. */
interface Case {
  readonly name: string;
  readonly fileBytes: number;
  readonly room: (empty: number) => Room;
  readonly removedMin: number;
  readonly note: string;
}

const CASES: readonly Case[] = [
  {
    name: "disk: threshold crossed to bytes freed",
    fileBytes: 240 * 1024,
    room: () => ({ low: { share: 0.05 }, recover: { share: 0.08 } }),
    removedMin: 1,
    note: "by the built-in thresholds (5 %, until 8 % is free), of 1,000 candidates of 240 KiB",
  },
  {
    name: "disk: the same, where all candidates have to go",
    fileBytes: 64 * 1024,
    room: (empty) => {
      const low = { bytes: empty - LEFT_FILES * 64 * 1024 };
      return { low, recover: low };
    },
    removedMin: CANDIDATES - LEFT_FILES,
    note: "1,000 candidates of 64 KiB, each opened, identified, asked for writers, removed",
  },
];

/**
 * From the look that shows the line crossed to the bytes freed, as statfs(2) says: the step, the decision and the
 * removal of candidate files that were gathered ahead. On ext4 on a loop device; else on tmpfs.
 */
export async function benchDiskReclaim({ smoke }: Effort): Promise<Finding> {
  const findings: Finding[] = [];
  for (const each of CASES) findings.push(await measure(each, smoke ? 3 : 30));
  return {
    bench: "reclaim",
    figures: findings.flatMap(({ figures }) => figures),
    evidence: findings.flatMap(({ evidence }) => evidence),
  };
}

async function measure(of: Case, rounds: number): Promise<Finding> {
  const home = fs.mkdtempSync("/tmp/plimsoll-bench-disk-");
  const disk = path.join(home, "disk");
  const kind = mountDisk(home, disk);
  const took: number[] = [];
  const usedMs: number[] = [];
  let freed = 0;
  try {
    for (let round = -2; round < rounds; round++) {
      const result = await reclaimOnce(disk, of);
      if (round < 0) continue;
      took.push(result.tookMs);
      usedMs.push(result.cpuMs);
      freed = result.freedBytes;
    }
  } finally {
    execFileSync("umount", ["--lazy", disk], { stdio: "pipe" });
    fs.rmSync(home, { recursive: true, force: true });
  }
  const note = `${of.note}; ${kind}; median of ${rounds} rounds`;
  return {
    bench: "reclaim",
    figures: [
      {
        name: of.name,
        unit: "ms",
        ours: median(took),
        reference: null,
        against: null,
        ratio: null,
        target: { of: "ours", limit: 50, inclusive: false },
        note,
      },
    ],
    evidence: [
      `${of.name}: ${freed} bytes freed in the last round by statfs(2); slowest tenth from ${quantile(took, 0.9).toFixed(1)} ms on`,
      `processor time of all threads: median ${median(usedMs).toFixed(1)} ms, least ${Math.min(...usedMs).toFixed(1)}; fastest round ${Math.min(...took).toFixed(1)} ms`,
    ],
  };
}

interface Round {
  readonly tookMs: number;
  readonly cpuMs: number;
  readonly freedBytes: number;
}

/** Fills the disk with candidates, looks, and lets the look be acted on. */
async function reclaimOnce(disk: string, { fileBytes, room, removedMin }: Case): Promise<Round> {
  fs.mkdirSync(path.join(disk, "log"), { recursive: true });
  const empty = freeRoom(disk);
  for (let i = 0; i < CANDIDATES; i++) {
    const file = path.join(disk, "log", `${i}.log`);
    fs.writeFileSync(file, Buffer.alloc(fileBytes, 7));
    fs.utimesSync(file, 1e9 + i, 1e9 + i);
  }
  const places: PlaceRule[] = [{ files: `${disk}/log/*.log`, ageMs: 1000, order: "oldest", method: "auto" }];
  const reclaimer = new Reclaimer("/proc");
  reclaimer.prepare(places);
  const before = freeRoom(disk);
  const policy: DiskPolicy = {
    ...loadPolicy().disk,
    enabled: true,
    space: room(empty.availableBytes),
    places,
    ladder: [{ action: "reclaim", deadlineMs: 10_000 }],
  };
  const state = new DiskState(policy, false, "bench");
  const stat = fs.statSync(disk);
  const about = { device: `${stat.dev >>> 8}:${stat.dev & 0xff}`, type: "ext4", remote: "no" };
  takeNames(state, [{ number: MOUNT, name: disk, about }], []);
  const usage = process.cpuUsage();
  const beganUs = monotonicUs();
  takeLook(state, lookAt(disk, beganUs));
  const action = decide(state, beganUs);
  if (action?.kind !== "reclaim") throw new Error(`expected a reclaim, found ${JSON.stringify(action)}`);
  const job = { ...action, path: disk, device: stat.dev };
  const result = await reclaimer.reclaim(job);
  const tookMs = (monotonicUs() - beganUs) / 1000;
  const { user, system } = process.cpuUsage(usage);
  if (!result.enough || result.deleted < removedMin)
    throw new Error(`expected at least ${removedMin} to go, found ${result.deleted}`);
  fs.rmSync(path.join(disk, "log"), { recursive: true });
  return {
    tookMs,
    cpuMs: (user + system) / 1000,
    freedBytes: result.after.availableBytes - before.availableBytes,
  };
}

function lookAt(disk: string, timeUs: number): Float64Array {
  const { bsize, blocks, bfree, bavail, files, ffree } = fs.statfsSync(disk);
  const frame = new Float64Array(SPACE_COLUMNS.length);
  frame[Space.timeUs] = timeUs;
  frame[Space.mount] = MOUNT;
  frame[Space.totalBytes] = blocks * bsize;
  frame[Space.freeBytes] = bfree * bsize;
  frame[Space.availableBytes] = bavail * bsize;
  frame[Space.inodes] = files;
  frame[Space.freeInodes] = ffree;
  return frame;
}

function mountDisk(home: string, disk: string): string {
  fs.mkdirSync(disk);
  const image = path.join(home, "image");
  fs.writeFileSync(image, "");
  fs.truncateSync(image, 256 * 2 ** 20);
  try {
    // Below 512 MiB mke2fs takes 1 KiB, above it 4 KiB (mke2fs.conf(5)).
    execFileSync("mkfs.ext4", ["-q", "-F", "-b", "4096", "-m", "0", "-O", "^has_journal", image], {
      stdio: "pipe",
    });
    execFileSync("mount", ["-o", "loop", image, disk], { stdio: "pipe" });
    return "ext4 with blocks of 4 KiB on a loop device";
  } catch {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256m", "plimsoll-bench", disk], { stdio: "pipe" });
    return "tmpfs";
  }
}
