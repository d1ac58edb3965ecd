/** Disks that run full, through the whole guard: listed files first, then whoever fills them. */
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { buildProgram } from "../programs/build.ts";
import { GuardProcess, type Line, testDirectory } from "../support/guard.ts";
import { agedFile, loopDisk, loopDisks } from "../support/loop-disk.ts";
import { need, root } from "../support/needs.ts";
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
  test("space: the oldest listed files go until enough is free, then the filler is named and ended", async (context) => {
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
    const end = await within("the filler to end", filler.ended, 40_000);
    expect(end.signal).toBe("SIGTERM");
    const ended = await guard.recorded("its end", (line) => line["verb"] === "end");
    expect(ended).toMatchObject({ resource: "disk", subject: at, outcome: "ended", victimCount: 1 });
    expect(ended["victims"]).toMatchObject([{ pid: filler.pid, name: "disk-fill" }]);
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

  test("inodes: the same, by who makes files", async (context) => {
    need(context, root, loopDisks, fillers);
    const { path: at } = loopDisk(context, 32, ["-N", "2048"]);
    const listed = Array.from({ length: 300 }, (_, i) => agedFile(`${at}/spool/${i}`, 0, 100_000 - i));
    const unlisted = agedFile(`${at}/other/kept`, 0, 900_000);
    const rooms = `space = "1%"\ninodes = 300\ninodes_recover = 500`;
    const places = `places = [{ files = "${at}/spool/*", age = "1h" }]`;
    const guard = await guardOn(context, policy(at, `${rooms}\n${LADDER}\n${places}`));
    const filler = await fill(context, "inodes", at, 500);
    const end = await within("the filler to end", filler.ended, 40_000);
    expect(end.signal).toBe("SIGTERM");
    const ended = await guard.recorded("its end", (line) => line["verb"] === "end");
    expect(ended["victims"]).toMatchObject([{ pid: filler.pid, name: "disk-fill" }]);
    const [first] = actions(guard, "reclaim");
    expect(first).toMatchObject({ subject: at, outcome: "done" });
    expect(first?.["after"]["freeInodes"]).toBeGreaterThanOrEqual(500);
    // The newest of those listed may be there yet; the oldest are not, and no other is touched.
    expect(fs.existsSync(listed[0] as string)).toBe(false);
    expect(fs.existsSync(unlisted)).toBe(true);
    expect(fs.existsSync(`${at}/made-0`)).toBe(true);
  });

  test("a dry run removes nothing, ends nobody, and says what it would do", async (context) => {
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
  test("one that does not answer is said so, and the others are looked at", async (context) => {
    need(context, root, loopDisks, fillers, deadMounts);
    const { path: at } = loopDisk(context, 16);
    const dead = path.join(testDirectory(context), "dead");
    fs.mkdirSync(dead);
    const file = agedFile(`${at}/log/a.log`, 4096, 9000);
    const rooms = `space = "6MiB"\nspace_recover = "7MiB"`;
    const places = `places = [{ files = "${at}/log/*.log", age = "1h" }]`;
    const text = policy(at, `${rooms}\n${LADDER}\n${places}`)
      .replace("mounts = [", "mounts = [")
      .replace(`{ path = "${at}"`, `{ path = "${dead}", enabled = true },\n  { path = "${at}"`);
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
});
