import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runVm } from "../../test/lab/vm.ts";
import { projectRoot } from "../../test/programs/build.ts";
import type { Finding } from "../figures.ts";
import { buildReference } from "../reference-program.ts";

/** A hundred programs, one after the other, on an emulated processor. */
const LIMIT_MS = 40 * 60_000;

/**
 * The bench of rescues ahead of the limit, run in a VM: there on cgroup v2.
 * @param folder where its results and the guest's log go
 * @throws Error with what the guest said when there are no results
 */
export async function measureRescue(folder: string): Promise<Finding> {
  // Built here: what the guest writes stays inside.
  buildReference("stall");
  const json = join(folder, "ahead.json");
  const shape = { memory: "2G", swap: null, cgroup: "v2" } as const;
  const run = { shape, share: folder, timeoutMs: LIMIT_MS, kernelLog: join(folder, "ahead.kernel.log") };
  const command = `cd '${projectRoot}' && node dist/bench/main.js --only ahead --json '${json}'`;
  const { status, output } = await runVm(run, ["sh", "-c", command]);
  console.log(output.trim());
  if (!existsSync(json))
    throw new Error(`expected figures of rescues in the VM, it ended with ${status}: ${output}`);
  const { findings } = JSON.parse(readFileSync(json, "utf8")) as { readonly findings: readonly Finding[] };
  return findings[0] as Finding;
}
