/** The user's module in its own thread: whatever it does harms nothing but itself, and is on record. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import type { CallbackName } from "../../src/core/app/callbacks.ts";
import type { AppLevel } from "../../src/core/policy/applications.ts";
import { type CallEnd, ModuleRunner } from "../../src/workers/callbacks/module-runner.ts";
import { testDirectory } from "../support/guard.ts";
import { waitFor, within } from "../support/wait.ts";

const THREAD = new URL("../../dist/src/workers/callbacks/module-thread.js", import.meta.url);

interface Scene {
  readonly runner: ModuleRunner;
  /** What it was found to have, each time it was loaded. */
  readonly loaded: (readonly CallbackName[])[];
  readonly troubles: string[];
  readonly logged: string[];
  readonly call: (name: CallbackName, level?: AppLevel) => Promise<CallEnd>;
}

let count = 0;

function scene(context: TestContext, source: string, deadlineMs = 15_000, loadLimitMs = 15_000): Scene {
  const file = path.join(testDirectory(context), "callbacks.mjs");
  writeFileSync(file, source);
  const loaded: (readonly CallbackName[])[] = [];
  const troubles: string[] = [];
  const logged: string[] = [];
  const runner = new ModuleRunner(THREAD, file, {
    callDeadlineMs: deadlineMs,
    loadLimitMs,
    loaded: (names) => void loaded.push(names),
    trouble: (what, why) => void troubles.push(`${what}: ${why}`),
    log: (severity, text) => void logged.push(`${severity} ${text}`),
  });
  context.onTestFinished(() => runner.close());
  const call = (name: CallbackName, level: AppLevel = "warning"): Promise<CallEnd> => {
    const id = `t-${++count}`;
    const sample = {
      timeMs: 1,
      usedShare: 0.91,
      lineShare: 0.9,
      totalBytes: 100,
      availableBytes: 9,
      freeBytes: 5,
      committedBytes: 3,
      commitLimitBytes: 4,
      residentBytes: null,
      allocatedBytes: null,
    };
    const more = { measure: "physical", why: "a test", dumpDirectory: "/dumps", deadlineMs } as const;
    const asked = { application: "nso", level, id, ...more };
    return within(
      `${name} to end`,
      runner.call({ id, name, pid: 7, overcommitMode: 2, sample, context: asked }),
    );
  };
  return { runner, loaded, troubles, logged, call };
}

const isLoaded = (it: Scene, times = 1): Promise<unknown> =>
  waitFor("the module to be loaded", () => it.loaded.length >= times);

describe("a module of callbacks", () => {
  test("says which functions it has; each is given all that there is to know", async (context) => {
    const it = scene(
      context,
      `export function warning_phy(logger, pid, mode, sample, context) {
         logger.warn(JSON.stringify([pid, mode, sample.usedShare, context.level, context.application]));
         console.log("said by itself");
       }
       export async function crit_alloc() { await new Promise((resolve) => setTimeout(resolve, 50)); throw new Error("no"); }`,
    );
    await isLoaded(it);
    expect(it.loaded).toEqual([["warning_phy", "crit_alloc"]]);
    expect(await it.call("warning_phy")).toEqual({ ok: true, text: "returned" });
    await waitFor("its lines", () => it.logged.length >= 2);
    expect(it.logged.toSorted()).toEqual(["info said by itself", 'warn [7,2,0.91,"warning","nso"]']);
    expect(await it.call("crit_alloc")).toEqual({ ok: false, text: "threw Error: no" });
    expect(it.troubles).toEqual([]);
  });

  test.each([
    [
      "that throws when it is loaded",
      "throw new TypeError('at import')",
      /cannot be loaded: TypeError: at import/,
    ],
    ["that is no JavaScript", "export function (", /cannot be loaded: SyntaxError/],
    ["that imports what is not there", "import './nothing.mjs'", /cannot be loaded: .*nothing\.mjs/],
    [
      "without functions",
      "export const other = 1",
      /not as expected: expected it to export one of info_phy,/,
    ],
    [
      "with something else by such a name",
      "export const crit_phy = 'x'",
      /expected crit_phy to be a function, found string/,
    ],
    [
      "that ends the process when it is loaded",
      "process.exit(7)",
      /thread of the callbacks was ended: it ended its thread, with code 7/,
    ],
    ["that is never done loading", "for (;;) {}", /was ended: it was not loaded within/],
  ])("one %s has none, and that is told", async (_what, source, pattern) => {
    const finished: (() => unknown)[] = [];
    const context = {
      onTestFinished: (then: () => unknown) => finished.push(then),
    } as unknown as TestContext;
    try {
      const it = scene(context, source, 15_000, source.startsWith("for") ? 1500 : 15_000);
      await isLoaded(it);
      expect(it.loaded).toEqual([[]]);
      expect(it.troubles.join()).toMatch(pattern);
    } finally {
      for (const then of finished.toReversed()) await then();
    }
  });

  const HARMS = `
    export function info_phy() { for (;;) {} }
    export async function warning_phy() { await new Promise(() => {}); }
    export function crit_phy() { process.exit(3); }
    export function info_alloc() { setTimeout(() => { throw new Error("later"); }, 10); return new Promise(() => {}); }
    export function warning_alloc() { const all = []; for (;;) all.push(new Array(1e5).fill({})); }
    export function crit_alloc(logger) { logger.info("well"); }`;

  test.each<[string, CallbackName, RegExp]>([
    ["spins", "info_phy", /info_phy: it did not end within/],
    ["is never done", "warning_phy", /warning_phy: it did not end within/],
    ["ends the process", "crit_phy", /it ended its thread, with code 3/],
    ["throws later on", "info_alloc", /it threw: later/],
    ["takes all memory", "warning_alloc", /it threw: .*memory/],
  ])(
    "a function that %s fails on record, and the next call finds a new thread",
    async (_what, name, pattern) => {
      const finished: (() => unknown)[] = [];
      const context = {
        onTestFinished: (then: () => unknown) => finished.push(then),
      } as unknown as TestContext;
      try {
        const it = scene(context, HARMS, 5000);
        await isLoaded(it);
        const end = await it.call(name);
        expect(end.ok).toBe(false);
        expect(end.text).toMatch(pattern);
        expect(it.troubles.join()).toMatch(/thread of the callbacks was ended/);
        await isLoaded(it, 2);
        expect(await it.call("crit_alloc")).toEqual({ ok: true, text: "returned" });
      } finally {
        for (const then of finished.toReversed()) await then();
      }
    },
  );

  test("a critical call does not wait for a slow one that holds the thread up", async (context) => {
    const it = scene(
      context,
      `import { execFileSync } from "node:child_process";
       export function warning_phy() { execFileSync("sleep", ["8"]); }
       export function crit_phy() {}`,
      60_000,
    );
    await isLoaded(it);
    const slow = it.call("warning_phy");
    const beganMs = performance.now();
    expect(await it.call("crit_phy", "critical")).toEqual({ ok: true, text: "returned" });
    expect(performance.now() - beganMs).toBeLessThan(7000);
    expect((await slow).text).toMatch(/the critical level has begun/);
  });

  test("one that says more than anybody reads is heard for a while", async (context) => {
    const it = scene(
      context,
      `export function info_phy(logger) { for (let i = 0; i < 5000; i++) logger.info("x".repeat(3000)); }`,
    );
    await isLoaded(it);
    expect(await it.call("info_phy")).toEqual({ ok: true, text: "returned" });
    expect(it.logged).toHaveLength(200);
    expect(it.logged[199]).toMatch(/what follows is not logged/);
    expect(it.logged[0]?.length).toBeLessThan(1100);
  });
});
