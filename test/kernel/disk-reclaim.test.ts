/** Reclaim on real file systems: what is listed goes in its order, nothing else does, whatever is swapped meanwhile. */
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { once } from "node:events";
import { describe, expect, test, type TestContext } from "vitest";
import type { PlaceRule } from "../../src/core/policy/resources.ts";
import { type FreeRoom, freeRoom, Reclaimer, type ReclaimJob } from "../../src/workers/lane/disk/reclaim.ts";
import { compilePlace } from "../../src/core/disk/place.ts";
import { gather } from "../../src/workers/lane/disk/gather.ts";
import { Remover } from "../../src/workers/lane/disk/remove.ts";
import { Writers } from "../../src/workers/lane/disk/writers.ts";
import { buildProgram } from "../programs/build.ts";
import { testDirectory } from "../support/guard.ts";
import { agedFile, loopDisk, loopDisks } from "../support/loop-disk.ts";
import { mountSmall } from "../support/mount.ts";
import { mounts, need, root } from "../support/needs.ts";

const KIB = 1024;
const MIB = 2 ** 20;

function place(files: string, more: Partial<PlaceRule> = {}): PlaceRule {
  return { files, ageMs: 0, order: "oldest", method: "auto", ...more };
}

function job(at: string, places: readonly PlaceRule[], more: Partial<ReclaimJob> = {}): ReclaimJob {
  return {
    path: at,
    device: fs.statSync(at).dev,
    room: "space",
    recover: Number.MAX_SAFE_INTEGER,
    places,
    deadlineMs: 30_000,
    dryRun: false,
    atUs: 0,
    ...more,
  };
}

async function reclaim(at: string, places: readonly PlaceRule[], more: Partial<ReclaimJob> = {}) {
  const reclaimer = new Reclaimer("/proc");
  reclaimer.prepare(places);
  return reclaimer.reclaim(job(at, places, more));
}

/** A small file system of one kind. */
function disk(context: TestContext, kind: "ext4" | "tmpfs"): string {
  need(context, root, kind === "ext4" ? loopDisks : mounts);
  if (kind === "ext4") return loopDisk(context, 32).path;
  const at = path.join(testDirectory(context), "disk");
  mountSmall(context, at, 32 * KIB);
  return at;
}

describe.each(["ext4", "tmpfs"] as const)("on %s", (kind) => {
  test("the oldest go first, only until enough is free", async (context) => {
    const at = disk(context, kind);
    const files = [5, 1, 4, 2, 3].map((age) => agedFile(`${at}/log/${age}.log`, 2048, age * 1000));
    const other = agedFile(`${at}/log/kept.txt`, 2048, 9000);
    const before = freeRoom(at);
    const result = await reclaim(at, [place(`${at}/log/*.log`)], {
      recover: before.availableBytes + 3 * MIB,
    });
    expect(result).toMatchObject({ enough: true, deleted: 2, truncated: 0, passedOver: 0 });
    expect(files.filter((file) => fs.existsSync(file)).map((file) => path.basename(file))).toEqual([
      "1.log",
      "2.log",
      "3.log",
    ]);
    expect(fs.existsSync(other)).toBe(true);
    const freed = result.after.availableBytes - before.availableBytes;
    expect(freed).toBeGreaterThanOrEqual(4 * MIB);
    expect(freed).toBeLessThan(5 * MIB);
  });

  test("the largest go first where the place says so, and those too young stay", async (context) => {
    const at = disk(context, kind);
    const young = agedFile(`${at}/cache/young`, 4096, 10);
    const large = agedFile(`${at}/cache/deep/er/large`, 3072, 5000);
    const small = agedFile(`${at}/cache/small`, 1024, 9000);
    const { availableBytes } = freeRoom(at);
    const rule = place(`${at}/cache/**`, { order: "largest", ageMs: 3_600_000 });
    const result = await reclaim(at, [rule], { recover: availableBytes + 2 * MIB });
    expect(result).toMatchObject({ enough: true, deleted: 1 });
    expect([young, large, small].map((file) => fs.existsSync(file))).toEqual([true, false, true]);
  });

  test("what a process writes to is emptied in place, and the process goes on", async (context) => {
    const at = disk(context, kind);
    const file = agedFile(`${at}/a.log`, 4096, 100);
    const read = agedFile(`${at}/b.log`, 1024, 50);
    const writer = fs.openSync(file, "a");
    const reader = fs.openSync(read, "r");
    const result = await reclaim(at, [place(`${at}/*.log`)]);
    expect(result).toMatchObject({ enough: false, deleted: 1, truncated: 1 });
    expect(fs.statSync(file).size).toBe(0);
    fs.writeSync(writer, "still here\n");
    expect(fs.readFileSync(file, "utf8")).toBe("still here\n");
    expect(fs.existsSync(read)).toBe(false);
    fs.closeSync(writer);
    fs.closeSync(reader);
  });

  test("a file with a name that is not listed stays; one whose names are all listed goes, and is counted once", async (context) => {
    const at = disk(context, kind);
    const half = agedFile(`${at}/log/half`, 1024, 300);
    fs.linkSync(half, `${at}/elsewhere`);
    const whole = agedFile(`${at}/log/whole`, 2048, 200);
    fs.linkSync(whole, `${at}/log/whole-too`);
    const before = freeRoom(at);
    const result = await reclaim(at, [place(`${at}/log/*`)], { recover: before.availableBytes + 2 * MIB });
    expect(result).toMatchObject({ enough: true, deleted: 2, passedOver: 1 });
    expect(fs.statSync(half).nlink).toBe(2);
    expect(result.steps.map(({ result }) => result).join("; ")).toContain("names that are not listed");
    expect(result.after.availableBytes - before.availableBytes).toBeLessThan(2.5 * MIB);
  });

  test("nothing is removed in a dry run, nor in a symlink, a mount or a directory that is not listed", async (context) => {
    const at = disk(context, kind);
    const outside = agedFile(`${at}/outside/a.log`, 64, 500);
    const listed = agedFile(`${at}/in/real/a.log`, 64, 400);
    fs.symlinkSync(`${at}/outside`, `${at}/in/link`);
    fs.symlinkSync(outside, `${at}/in/real/link.log`);
    fs.mkdirSync(`${at}/in/mounted`);
    execFileSync("mount", ["--bind", `${at}/outside`, `${at}/in/mounted`]);
    context.onTestFinished(() => void execFileSync("umount", [`${at}/in/mounted`]));
    const places = [place(`${at}/in/**`), place(`${at}/in/link/*.log`)];
    const dry = await reclaim(at, places, { dryRun: true });
    expect(dry).toMatchObject({ deleted: 1, enough: false });
    expect(fs.existsSync(listed)).toBe(true);
    const result = await reclaim(at, places);
    expect(result).toMatchObject({ deleted: 1, passedOver: 0 });
    expect([listed, outside].map((file) => fs.existsSync(file))).toEqual([false, true]);
    const said = result.steps.map((step) => `${step.what}: ${step.result}`).join("\n");
    expect(said).toContain("/in/mounted: another file system is mounted there");
    expect(said).toContain("/in/link: a symlink");
  });

  test("the same without openat2: one name at a time", async (context) => {
    const { Directory } = await import("../../src/workers/lane/disk/directory.ts");
    const at = disk(context, kind);
    agedFile(`${at}/in/real/deep/a.log`, 4, 1);
    fs.symlinkSync(`${at}/in/real`, `${at}/in/link`);
    fs.mkdirSync(`${at}/in/mounted`);
    execFileSync("mount", ["--bind", `${at}/in/real`, `${at}/in/mounted`]);
    context.onTestFinished(() => void execFileSync("umount", [`${at}/in/mounted`]));
    const base = Directory.open("/proc", at.split("/").slice(1));
    if (!(base instanceof Directory)) throw new Error(`expected ${at}, found ${base.code}`);
    const open = (names: string): string => {
      const opened = base.openByComponents(
        names.split("/").map((name) => Buffer.from(name)),
        false,
      );
      if (!(opened instanceof Directory)) return opened.code;
      const { path } = opened;
      opened.close();
      return String(path);
    };
    expect(open("in/real/deep")).toBe(`${at}/in/real/deep`);
    expect(open("in/link/deep")).toBe("ENOTDIR");
    expect(open("in/mounted/deep")).toBe("EXDEV");
    expect(open("in/none")).toBe("ENOENT");
    base.close();
  });
});

test("an immutable file is passed over, and those after it go", async (context) => {
  const at = disk(context, "ext4");
  const fixed = agedFile(`${at}/log/1`, 1024, 500);
  const next = agedFile(`${at}/log/2`, 1024, 400);
  execFileSync("chattr", ["+i", fixed]);
  context.onTestFinished(() => void execFileSync("chattr", ["-i", fixed]));
  const result = await reclaim(at, [place(`${at}/log/*`)]);
  expect(result).toMatchObject({ deleted: 1, passedOver: 1 });
  expect([fixed, next].map((file) => fs.existsSync(file))).toEqual([true, false]);
  expect(result.steps.map(({ result }) => result).join()).toContain("immutable");
});

test("inodes come back by files without space, not by emptying", async (context) => {
  need(context, root, loopDisks);
  const at = loopDisk(context, 8, ["-N", "512"]).path;
  for (let i = 0; i < 100; i++) agedFile(`${at}/small/${i}`, 0, 1000 - i);
  const held = fs.openSync(`${at}/small/0`, "a");
  const before = freeRoom(at);
  const recover = (before.freeInodes as number) + 10;
  const result = await reclaim(at, [place(`${at}/small/*`)], { room: "inodes", recover });
  fs.closeSync(held);
  expect(result).toMatchObject({ enough: true, deleted: 10, truncated: 0, passedOver: 1 });
  expect((result.after as FreeRoom).freeInodes).toBe(recover);
});

test("a place that would be all of a system is refused here too", async (context) => {
  const at = disk(context, "tmpfs");
  const result = await reclaim(at, [place("/**"), place("/etc/*"), place("/home/**"), place("relative/*")]);
  expect(result).toMatchObject({ deleted: 0, passedOver: 0, enough: false });
  expect(result.steps.filter(({ what }) => what === "place")).toHaveLength(4);
});

const compiler = (): string | null => buildProgram("swap", ["test/programs/swap.c"]).reason ?? null;

/** How many files wait to be removed while somebody swaps their directory for another. */
const DIRECTORIES = 200;
const FILES = 20;

function fill(directory: string): void {
  for (let i = 0; i < DIRECTORIES; i++) {
    fs.mkdirSync(`${directory}/${i}`, { recursive: true });
    for (let k = 0; k < FILES; k++) fs.writeFileSync(`${directory}/${i}/${k}.log`, "");
  }
}

function countFiles(directory: string): number {
  return fs.readdirSync(directory, { recursive: true }).filter((name) => String(name).endsWith(".log"))
    .length;
}

describe.each(["symlink", "mount", "rename"] as const)("swapped for %s 10,000 times", (way) => {
  test("while files are removed: nothing outside is touched", { timeout: 120_000 }, async (context) => {
    need(context, root, mounts, compiler);
    const swap = buildProgram("swap", ["test/programs/swap.c"]);
    const at = fs.mkdtempSync("/dev/shm/plimsoll-test-race-");
    const listed = `${at}/in/sub`;
    const outside = `${at}/outside`;
    for (const directory of [listed, outside]) fs.mkdirSync(directory, { recursive: true });
    // Under the same names: by these alone they are not told apart.
    for (const directory of [listed, outside]) fill(directory);
    const places = [compilePlace(place(`${at}/in/**/*.log`))];
    const files = gather("/proc", places, Date.now()).files;
    expect(files).toHaveLength(DIRECTORIES * FILES);
    const remover = new Remover("/proc", new Writers("/proc"), {
      room: "space",
      dryRun: false,
      spared: new Set(),
    });
    const swapper = spawn(swap.path as string, [way, "10000", listed, outside], { stdio: "inherit" });
    const over = once(swapper, "exit");
    const came = new Map<string, number>();
    try {
      while (swapper.exitCode === null && swapper.signalCode === null) {
        // What is renamed into a place is in it for as long: only what was found before tells whose it is.
        const found = way === "rename" ? [] : gather("/proc", places, Date.now()).files;
        for (const file of [...files, ...found]) {
          const { what, why } = remover.remove(file, 1, Date.now());
          came.set(why ?? what, (came.get(why ?? what) ?? 0) + 1);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await over).toEqual([0, null]);
      expect(countFiles(outside)).toBe(DIRECTORIES * FILES);
      expect(came.get("deleted")).toBeGreaterThan(0);
      // It was a race: the directory was another one when a file's turn came.
      const refused = [...came.keys()].filter((what) => /symlink|mounted|another file/.test(what));
      expect(refused).not.toEqual([]);
    } finally {
      swapper.kill("SIGKILL");
      remover.close();
      execFileSync("sh", ["-c", `umount -l '${listed}' 2>/dev/null; true`]);
      fs.rmSync(at, { recursive: true, force: true });
    }
  });
});
