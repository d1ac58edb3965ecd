/** Disks that run full, through the whole guard: listed files first, then whoever fills them. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { SPACE_COLUMNS } from "../../src/core/disk/columns.ts";
import { parseMountinfo } from "../../src/core/parse/mountinfo.ts";
import type { NamedThing } from "../../src/core/resources/resource.ts";
import { createRing } from "../../src/core/ring/views.ts";
import { Board, Gauge } from "../../src/core/shared/board.ts";
import { loadPolicy } from "../../src/main/config/load-policy.ts";
import { HOST_ROOTS } from "../../src/workers/common/roots.ts";
import type { WorkerContext } from "../../src/workers/common/worker.ts";
import { SpaceSampler } from "../../src/workers/sampler/host/space-sampler.ts";
import { buildProgram } from "../programs/build.ts";
import { GuardProcess, type Line, testDirectory } from "../support/guard.ts";
import { agedFile, loopDisk, loopDisks } from "../support/loop-disk.ts";
import { mountSmall } from "../support/mount.ts";
import { mounts, need, root } from "../support/needs.ts";
import { Program } from "../support/program.ts";
import { waitFor, within } from "../support/wait.ts";

const fillers = (): string | null => buildProgram("disk-fill", ["test/programs/disk-fill.c"]).reason ?? null;
const deadMounts = (): string | null => {
  if (!fs.existsSync("/dev/fuse")) return "needs FUSE: there is no /dev/fuse";
  return buildProgram("dead-mount", ["test/programs/dead-mount.c"]).reason ?? null;
};

/** Guards one mount; nobody but `disk-fill` may be ended. */
function policy(disk: string, more: string, mount = ""): string {
  return `
${["memory", "cpu", "io", "net", "vm", "cgroups"].map((table) => `[${table}]\nenabled = false`).join("\n")}
[victim]
never = [{ name = "(?!disk-fill$).*", descendants = false }]
[disk]
enabled = true
interval = "200ms"
interval_min = "20ms"
mounts = [
  { path = "/", enabled = false },
  { path = "/**", enabled = false },
  { path = "${disk}", enabled = true${mount} },
]
${more}
`;
}

const LADDER = `ladder = ["log", "reclaim", { action = "sigterm", deadline = "5s" }, "sigkill"]`;

const actions = (guard: GuardProcess, verb: string): Line[] =>
  guard.audit().filter((line) => line["event"] === "action" && line["verb"] === verb);

const isEnd = (line: Line): boolean => line["verb"] === "end" && line["outcome"] === "ended";

async function guardOn(context: TestContext, text: string, more: object = {}): Promise<GuardProcess> {
  const guard = await GuardProcess.start(context, { scope: "host", policy: text, ...more });
  context.onTestFailed(() => {
    process.stderr.write(
      `${guard
        .audit()
        .map((line) => JSON.stringify(line))
        .join("\n")}\n`,
    );
  });
  return guard;
}

async function fill(context: TestContext, room: string, at: string, rate: number): Promise<Program> {
  const { path: file } = buildProgram("disk-fill", ["test/programs/disk-fill.c"]);
  return Program.start(context, [file as string, room, at, String(rate)]);
}

/** Paths that the steps of an action deleted, in their order. */
function deletedBy(action: Line): string[] {
  const steps = action["steps"] as { what: string; result: string }[];
  return steps
    .filter(({ what, result }) => what.startsWith("delete /") && result.startsWith("deleted"))
    .map(({ what }) => path.basename(what));
}

describe("a disk that is being filled", () => {
  test("space: the oldest listed files go until enough is free, then the filler is named and ended", {
    timeout: 120_000,
  }, async (context) => {
    need(context, root, loopDisks, fillers);
    const { path: at } = loopDisk(context, 64);
    const outside = testDirectory(context);
    const names = [8, 3, 6, 1, 7, 2, 5, 4].map((age) => {
      agedFile(`${at}/log/${age}.log`, 2048, age * 10_000);
      return age;
    });
    const unlisted = agedFile(`${at}/log/kept.txt`, 1024, 900_000);
    const away = agedFile(`${outside}/away.log`, 1024, 900_000);
    fs.symlinkSync(away, `${at}/log/0.log`);
    fs.symlinkSync(outside, `${at}/log/linked`);
    const places = `places = [{ files = "${at}/log/**/*.log", age = "1h" }]`;
    const rooms = `space = "8MiB"\nspace_recover = "16MiB"`;
    const guard = await guardOn(context, policy(at, `${rooms}\n${LADDER}\n${places}`));
    const filler = await fill(context, "space", at, 16);
    const end = await within("the filler to end", filler.ended, 60_000);
    expect(end.signal).toBe("SIGTERM");
    const ended = await guard.recorded("its end", isEnd);
    expect(ended).toMatchObject({ resource: "disk", subject: at, outcome: "ended", victimCount: 1 });
    expect(ended["victims"]).toMatchObject([{ pid: filler.pid }]);
    expect(ended["target"]).toContain(`disk-fill (pid ${filler.pid})`);
    expect(ended["target"]).toContain(`${at}/filling`);
    const reclaims = actions(guard, "reclaim");
    expect(reclaims[0]).toMatchObject({ subject: at, outcome: "done" });
    const { before, after } = reclaims[0] as Line;
    expect(before["availableBytes"]).toBeLessThan(9 * 2 ** 20);
    expect(after["availableBytes"]).toBeGreaterThanOrEqual(16 * 2 ** 20);
    const oldestFirst = names.toSorted((a, b) => b - a).map((age) => `${age}.log`);
    expect(deletedBy(reclaims[0] as Line)).toEqual(
      oldestFirst.slice(0, deletedBy(reclaims[0] as Line).length),
    );
    expect(deletedBy(reclaims[0] as Line).length).toBeLessThan(names.length);
    expect(reclaims.flatMap(deletedBy)).toEqual(oldestFirst);
    for (const kept of [unlisted, away]) expect(fs.statSync(kept).size).toBe(1024 * 1024);
    expect(fs.readlinkSync(`${at}/log/0.log`)).toBe(away);
  });

  test("inodes: the same, by who makes files", { timeout: 120_000 }, async (context) => {
    need(context, root, loopDisks, fillers);
    const { path: at } = loopDisk(context, 32, ["-N", "2048"]);
    const listed = Array.from({ length: 600 }, (_, i) => agedFile(`${at}/spool/${i}`, 0, 100_000 - i));
    const unlisted = agedFile(`${at}/other/kept`, 0, 900_000);
    const rooms = `space = "1%"\ninodes = 300\ninodes_recover = 500`;
    const places = `places = [{ files = "${at}/spool/*", age = "1h" }]`;
    const guard = await guardOn(context, policy(at, `${rooms}\n${LADDER}\n${places}`));
    const filler = await fill(context, "inodes", at, 500);
    const end = await within("the filler to end", filler.ended, 60_000);
    expect(end.signal).toBe("SIGTERM");
    const ended = await guard.recorded("its end", isEnd);
    expect(ended["victims"]).toMatchObject([{ pid: filler.pid }]);
    expect(ended["target"]).toContain(`disk-fill (pid ${filler.pid})`);
    const [first] = actions(guard, "reclaim");
    expect(first).toMatchObject({ subject: at, outcome: "done" });
    expect(first?.["after"]["freeInodes"]).toBeGreaterThanOrEqual(500);
    // The newest of those listed may be there yet; the oldest are not, and no other is touched.
    expect(fs.existsSync(listed[0] as string)).toBe(false);
    expect(fs.existsSync(unlisted)).toBe(true);
    expect(fs.existsSync(`${at}/made-0`)).toBe(true);
  });

  test("a dry run removes nothing, ends nobody, and says what it would do", {
    timeout: 90_000,
  }, async (context) => {
    need(context, root, loopDisks, fillers);
    const { path: at } = loopDisk(context, 16);
    const file = agedFile(`${at}/log/a.log`, 2048, 9000);
    const rooms = `space = "8MiB"\nspace_recover = "9MiB"`;
    const places = `places = [{ files = "${at}/log/*.log", age = "1h" }]`;
    const guard = await guardOn(context, policy(at, `${rooms}\n${LADDER}\n${places}`), {
      args: ["--dry-run"],
    });
    const filler = await fill(context, "space", at, 4);
    const would = await guard.recorded("a reclaim", (line) => line["verb"] === "reclaim", 20_000);
    expect(would).toMatchObject({ outcome: "dry-run", dryRun: true });
    expect(JSON.stringify(would["steps"])).toContain(`would delete ${file}`);
    const end = await guard.recorded("an end", (line) => line["verb"] === "end", 20_000);
    expect(end).toMatchObject({ outcome: "dry-run", victims: [] });
    expect(fs.existsSync(file)).toBe(true);
    expect(fs.existsSync(`/proc/${filler.pid}`)).toBe(true);
  });
});

describe("mounts that are not what they should be", () => {
  test("one that does not answer is said so, and the others are looked at", {
    timeout: 90_000,
  }, async (context) => {
    need(context, root, loopDisks, fillers, deadMounts);
    const { path: at } = loopDisk(context, 16);
    const dead = path.join(testDirectory(context), "dead");
    fs.mkdirSync(dead);
    const file = agedFile(`${at}/log/a.log`, 4096, 9000);
    const rooms = `space = "6MiB"\nspace_recover = "7MiB"`;
    const places = `places = [{ files = "${at}/log/*.log", age = "1h" }]`;
    const text = policy(at, `${rooms}\n${LADDER}\n${places}`).replace(
      `{ path = "${at}"`,
      `{ path = "${dead}", enabled = true },\n  { path = "${at}"`,
    );
    const program = buildProgram("dead-mount", ["test/programs/dead-mount.c"]).path as string;
    const guard = await guardOn(context, text, { under: [program, dead] });
    const said = (line: Line): boolean => line["event"] === "limited" && String(line["what"]).includes(dead);
    expect((await guard.recorded("its silence", said, 20_000))["what"]).toContain("does not answer");
    const beganMs = performance.now();
    agedFile(`${at}/big`, 8 * 1024, 0);
    await waitFor("the listed file to go", () => !fs.existsSync(file), 10_000);
    expect(performance.now() - beganMs).toBeLessThan(5000);
    expect(guard.audit().filter(said)).toHaveLength(1);
    const { resources } = await guard.ask({ ask: "resources" });
    expect(JSON.stringify(resources ?? null)).toContain(at);
  });

  test("one that vanishes or is made read-only is watched no longer, nor are pseudo file systems", {
    timeout: 90_000,
  }, async (context) => {
    need(context, root, loopDisks);
    const [gone, fixed] = [loopDisk(context, 8).path, loopDisk(context, 8).path];
    const text = policy(gone, `space = "1MiB"`).replace(
      `{ path = "${gone}"`,
      `{ path = "${fixed}", enabled = true },\n  { path = "/proc", enabled = true },\n  { path = "${gone}"`,
    );
    const guard = await guardOn(context, text);
    const subjects = async (): Promise<string> => {
      const { resources } = await guard.ask({ ask: "resources" });
      return (resources as Line[])
        .map(({ subject }) => String(subject))
        .toSorted()
        .join();
    };
    const are = (wanted: readonly string[]) => async (): Promise<boolean> =>
      (await subjects()) === wanted.toSorted().join();
    await waitFor("both to be watched", are([gone, fixed]), 20_000);
    execFileSync("mount", ["-o", "remount,ro", fixed]);
    await waitFor("the one that is read-only to be let be", are([gone]), 20_000);
    execFileSync("umount", [gone]);
    await waitFor("nothing to be watched", are([]), 20_000);
    expect((await guard.stop()).code).toBe(0);
  });

  test("one in which an earlier life of the sampler hung is asked apart", (context) => {
    need(context, root, mounts);
    const at = path.join(testDirectory(context), "disk");
    mountSmall(context, at, 1024);
    const bytes = fs.readFileSync("/proc/self/mountinfo");
    const id = parseMountinfo(bytes, bytes.length).find((each) => each.path === at)?.id as number;
    const columns = { columns: SPACE_COLUMNS, rowsPerSegment: 64, segments: 2 };
    const look = (hung: number): NamedThing | undefined => {
      const board = new Board();
      board.setGauge(Gauge.mountAsked, hung);
      const disk = { ...loadPolicy().disk, enabled: true };
      const start = { policy: { disk }, roots: HOST_ROOTS, resourceRings: { disk: createRing(columns) } };
      const things: NamedThing[] = [];
      const known = { start, board, log: () => undefined } as unknown as WorkerContext;
      const sampler = new SpaceSampler(known, (appeared) => void things.push(...appeared));
      sampler.sample(1);
      sampler.close();
      return things.find(({ name }) => name === at);
    };
    expect(look(0)).toMatchObject({ number: id, about: { type: "tmpfs", remote: "no" } });
    expect(look(id)).toMatchObject({ number: id, about: { type: "tmpfs", remote: "yes" } });
  });
});
