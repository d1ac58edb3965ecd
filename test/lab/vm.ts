import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "../programs/build.ts";
import type { VmShape } from "./scenario.ts";

const SCRIPT = join(projectRoot, "test/lab/vm");

/** Why no VM can run on this machine, in one line; null: one can. */
export function labObstacle(): string | null {
  const checked = spawnSync(SCRIPT, ["--check"], { encoding: "utf8" });
  if (checked.status === 0) return null;
  return checked.stdout.trim() || `test/lab/vm --check failed: ${checked.stderr.trim()}`;
}

export interface VmRun {
  readonly shape: VmShape;
  /** Writable in the guest, at the same path. */
  readonly share: string;
  readonly timeoutMs: number;
  readonly kernelLog: string;
}

/** Runs one command in a VM of its own. Its status (124: timed out, 125: the VM failed) and all output. */
export function runVm(run: VmRun, argv: readonly string[]): Promise<{ status: number; output: string }> {
  const swap = run.shape.swap === null ? [] : ["--swap", run.shape.swap];
  const seconds = String(Math.ceil(run.timeoutMs / 1000));
  const args = ["--mem", run.shape.memory, ...swap, "--cgroup", run.shape.cgroup, "--share", run.share];
  args.push("--timeout", seconds, "--kernel-log", run.kernelLog, "--", ...argv);
  return new Promise((resolve, reject) => {
    const child = spawn(SCRIPT, args, { cwd: projectRoot, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ status: code ?? 125, output }));
  });
}
