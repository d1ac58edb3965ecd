/** Machines in a recording: libvirt's own test driver is sampled by the thread as it is built, and read by a reader that is not ours. */
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { tableFromIPC } from "@uwdata/flechette";
import { expect, test } from "vitest";
import { loadPolicy } from "../../src/main/config/load-policy.ts";
import { recordingPolicy } from "../../src/main/recording/policy.ts";
import type { Recording as RecordingClass } from "../../src/main/recording/recording.ts";
import { HOST_ROOTS } from "../../src/workers/common/roots.ts";
import { projectRoot } from "../programs/build.ts";
import { testDirectory } from "../support/guard.ts";
import { need } from "../support/needs.ts";
import { testDriver, virsh } from "../support/virsh.ts";
import { waitFor } from "../support/wait.ts";

test("each machine has a row a look, and a name", async (context) => {
  need(context, virsh);
  const built = path.join(projectRoot, "dist/src/main/recording/recording.js");
  const { Recording } = (await import(pathToFileURL(built).href)) as { Recording: typeof RecordingClass };
  const domains = [
    { name: "small & plain", memoryMiB: 256 },
    { name: "größe", memoryMiB: 1024 },
  ];
  const uri = testDriver(context, domains);
  const directory = testDirectory(context);
  const request = { recorded: ["vm"], patterns: [], intervalMs: 1000, statEvery: 1 } as const;
  const base = recordingPolicy(loadPolicy(), request);
  const said: string[] = [];
  const say = (text: string): void => void said.push(text);
  const recording = new Recording({
    directory,
    request,
    policy: { ...base, vm: { ...base.vm, uri } },
    roots: HOST_ROOTS,
    cgroups: 0,
    log: { info: say, warn: say, error: say },
  });
  fs.writeFileSync(path.join(directory, "cgroups.jsonl"), "");
  await recording.start();
  let stopped: ReturnType<typeof recording.stop> | null = null;
  const stop = (): ReturnType<typeof recording.stop> => (stopped ??= recording.stop());
  context.onTestFinished(async () => void (await stop()));
  await waitFor("some rows", () => recording.figures.rows >= 4, 30_000);
  const manifest = await stop();
  expect(said).toEqual([]);
  expect(manifest).toMatchObject({ complete: true, resources: ["vm"], intervalsMs: { vm: 1000 } });
  const lines = fs.readFileSync(path.join(directory, "names.jsonl"), "utf8").trimEnd().split("\n");
  const names = new Map(
    lines.map((line) => {
      const { number, name } = JSON.parse(line) as { number: number; name: string };
      return [number, name];
    }),
  );
  expect([...names.values()].sort()).toEqual(["größe", "small & plain"]);
  const read = tableFromIPC(fs.readFileSync(path.join(directory, "vm-000001.arrow")));
  const rows = read.toArray() as { machine: number | bigint; state: number; memoryBytes: number | bigint }[];
  expect(rows.length).toBe(manifest.segments.reduce((sum, { rows: count }) => sum + count, 0));
  for (const { name, memoryMiB } of domains) {
    const own = rows.filter(({ machine }) => names.get(Number(machine)) === name);
    expect(own.length).toBeGreaterThanOrEqual(2);
    for (const { state, memoryBytes } of own)
      expect([state, memoryBytes === null ? null : Number(memoryBytes)]).toEqual([
        1,
        expect.toBeOneOf([null, memoryMiB * 2 ** 20]),
      ]);
  }
});
