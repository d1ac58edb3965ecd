import { execFile } from "node:child_process";

export interface Ran {
  readonly ok: boolean;
  readonly output: string;
  /** Why it is not ok: its last words, in one line. */
  readonly error: string;
  /** There is no such program. */
  readonly missing: boolean;
}

/** Runs a program of the system, which is ended when it takes longer. Never rejects. */
export function runProgram(program: string, args: readonly string[], limitMs: number): Promise<Ran> {
  return new Promise((resolve) => {
    const options = {
      timeout: limitMs,
      killSignal: "SIGKILL",
      env: { ...process.env, LC_ALL: "C" },
    } as const;
    execFile(program, args, options, (error, stdout, stderr) => {
      const late =
        error?.killed === true ? `${program} did not end within ${limitMs / 1000} s` : error?.message;
      resolve({
        ok: error === null,
        output: stdout,
        error: stderr.trim().replaceAll("\n", "; ") || (late ?? ""),
        missing: error?.code === "ENOENT",
      });
    });
  });
}
