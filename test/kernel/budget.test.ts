import { expect, onTestFinished, test } from "vitest";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { descriptorsOf, residentBytes } from "../../bench/process-facts.ts";
import { GuardProcess } from "../support/guard.ts";
import { waitFor } from "../support/wait.ts";

/** Resident at most so many times a bare Node process with as many idle workers. */
const RESIDENT_RATIO = 1.15;
/**
 * What is open beside files of processes: libraries' epolls and pipes, kernel files, events, sockets. 80 for memory and
 * cgroups, and for the host's sampler its worker's own, a clock, an event and five kernel files.
 */
const DESCRIPTORS = 80 + 12;
/** status of the largest is held beside stat of all, for so many at most (twice what one walk looks at closely). */
const DETAILED = 129;
/** What starting left is collected within this time. */
const SETTLE_MS = 20_000;

test("the guard at rest keeps its budgets of memory and descriptors", {
  timeout: 60_000,
}, async (context) => {
  const guard = await GuardProcess.start(context, { scope: "host" });
  const { workers } = (await guard.ask({ ask: "status" })) as { workers: unknown[] };
  const bare = spawn(
    process.execPath,
    [fileURLToPath(new URL("../../dist/bench/bare-worker.js", import.meta.url)), String(workers.length)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  onTestFinished(() => void bare.kill("SIGKILL"));
  await once(bare.stdout, "data");
  let ratio = Number.POSITIVE_INFINITY;
  await waitFor(
    `at most ${RESIDENT_RATIO} times what a bare process has resident`,
    () => {
      ratio = residentBytes(guard.pid) / residentBytes(bare.pid as number);
      return ratio <= RESIDENT_RATIO;
    },
    SETTLE_MS,
  ).catch((error: Error) => {
    throw new Error(`${error.message}; it is ${ratio.toFixed(2)} times`);
  });
  const { ofProcesses, others } = descriptorsOf(guard.pid);
  const processes = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).length;
  expect(others).toBeLessThanOrEqual(DESCRIPTORS);
  // Some have come or gone since the last walk.
  expect(ofProcesses).toBeLessThanOrEqual(processes * 1.5 + DETAILED);
});
