/** `plimsoll status` of a guard of everything: a line each resource, also while the analysis does not answer. */
import { execFile } from "node:child_process";
import path from "node:path";
import { expect, type TestContext, test } from "vitest";
import type { GuardStatus } from "../../src/main/coordinator/status.ts";
import { StatusServer } from "../../src/main/coordinator/status-server.ts";
import { BIN, GuardProcess, type Line } from "../support/guard.ts";
import { waitFor } from "../support/wait.ts";

const POLICY = ["cpu", "disk", "io", "net"].map((table) => `[${table}]\nenabled = true\n`).join("");

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A guard of the host that acts on nothing, and how to ask it. */
async function start(
  context: TestContext,
  policy: string,
): Promise<{ readonly guard: GuardProcess; readonly status: (...args: string[]) => Promise<Ran> }> {
  const env = { PLIMSOLL_ALLOW_FAULTS: "1" };
  const guard = await GuardProcess.start(context, { scope: "host", args: ["--dry-run"], policy, env });
  const run = { ...process.env, PLIMSOLL_RUN_DIR: path.join(guard.home, "run") };
  const status = (...args: string[]): Promise<Ran> =>
    new Promise((resolve) => {
      execFile(process.execPath, [BIN, "status", ...args], { env: run }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  return { guard, status };
}

test("a line each resource, in 100 columns; the same as JSON; over the socket too", async (context) => {
  const { guard, status } = await start(context, POLICY);
  const found = await waitFor("a sample of each", async () => {
    const { resources } = (await guard.ask({ ask: "resources" })) as { resources: Line[] };
    const seen = new Set(
      resources
        .filter(({ numbers }) => Object.keys(numbers as object).length > 0)
        .map(({ resource }) => resource as string),
    );
    return ["cpu", "disk"].every((resource) => seen.has(resource)) ? resources : null;
  });
  expect(found.find(({ resource }) => resource === "disk")).toMatchObject({
    level: "none",
    lastAction: null,
  });
  const text = await status();
  expect([text.code, text.stderr]).toEqual([0, ""]);
  const lines = text.stdout.split("\n");
  const head = lines.findIndex((line) =>
    /^resource +subject +level +figures +rate +left +last action$/.test(line),
  );
  expect(head).toBeGreaterThan(0);
  expect(lines[head + 1]).toMatch(/^memory +host +none +available \d/);
  const table = lines.slice(
    head + 1,
    lines.findIndex((line) => line.startsWith("  memory ")),
  );
  for (const line of table) expect(line.length).toBeLessThan(100);
  expect(table.some((line) => /^cpu +host +(none|warning|critical) +busy /.test(line))).toBe(true);
  expect(table.some((line) => /^disk +\/ +\S+ +\S/.test(line))).toBe(true);
  expect(table.at(-1)).toMatch(/^app +- +- +not guarded +- +- +-$/);
  const json = await status("--json");
  expect([json.code, json.stderr]).toEqual([0, ""]);
  const told = JSON.parse(json.stdout) as { guards: string[]; resources: Line[] };
  expect(told.guards).toEqual(["memory", "cpu", "disk", "io", "net"]);
  expect(new Set(told.resources.map(({ resource }) => resource as string))).toEqual(
    new Set(["memory", ...found.map(({ resource }) => resource as string)]),
  );
});

test("an analysis that hangs keeps nobody from an answer: its next life gives it, or the rest is told without", async (context) => {
  const { guard, status } = await start(context, POLICY);
  await guard.ask({ ask: "fault", worker: "analysis", kind: "hang" });
  const { code, stdout } = await status("--json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    pid: guard.child.pid,
    memory: { totalBytes: expect.any(Number) },
  });
  await waitFor(
    "an answer of the next life's",
    async () => {
      const again = await status("--json");
      const told = JSON.parse(again.stdout) as { resources: Line[] | null };
      return again.stderr === "" && (told.resources?.some(({ resource }) => resource === "cpu") ?? false);
    },
    20_000,
  );
});

test("what an analysis does not answer is said on stderr; the rest is shown all the same", async (context) => {
  const { guard, status } = await start(context, "");
  const known = await guard.ask({ ask: "status" });
  await guard.stop();
  const server = await StatusServer.open(guard.socketPath, {
    status: () => known as unknown as GuardStatus,
    cgroups: () => Promise.reject(new Error("busy")),
    resources: () => Promise.reject(new Error("expected an answer within 1500 ms, found none; ask again")),
    fault: null,
  });
  context.onTestFinished(() => server.close());
  const json = await status("--json");
  expect(json.code).toBe(0);
  expect(json.stderr).toBe(
    "plimsoll: of other resources than memory nothing is known now: the guard of host: " +
      "expected an answer within 1500 ms, found none; ask again\n",
  );
  expect(JSON.parse(json.stdout)).toMatchObject({ pid: known["pid"], resources: null });
  const text = await status();
  expect(text.code).toBe(0);
  expect(text.stdout).toMatch(/^memory +host /m);
  expect(text.stdout).not.toMatch(/^cpu /m);
});
