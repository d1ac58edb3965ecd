import { type ChildProcess, spawn } from "node:child_process";
import type { TestContext } from "vitest";
import { BIN } from "./guard.ts";
import type { End } from "./program.ts";
import { waitFor, within } from "./wait.ts";

/** A `plimsoll record` as users run it: seen by its streams and what it writes. */
export class RecorderProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<End>;
  end: End | null = null;
  stdout = "";
  stderr = "";

  private constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [BIN, "record", ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        this.end = { code, signal, atMs: performance.now() };
        resolve(this.end);
      });
    });
  }

  /** Starts one; it is killed at the test's end if it still runs then. */
  static start(context: TestContext, args: readonly string[]): RecorderProcess {
    const recorder = new RecorderProcess(args);
    context.onTestFinished(async () => {
      recorder.child.kill("SIGKILL");
      await within("the recorder to be gone", recorder.ended);
    });
    return recorder;
  }

  /** Waits for a line on stderr. */
  async logged(pattern: RegExp, limitMs = 20_000): Promise<void> {
    await waitFor(
      `${pattern} on stderr`,
      () => {
        if (this.end !== null && !pattern.test(this.stderr))
          throw new Error(
            `expected ${pattern}, the recorder ended with ${JSON.stringify(this.end)}: ${this.stderr}`,
          );
        return pattern.test(this.stderr);
      },
      limitMs,
    );
  }

  /** Ends it by a signal. */
  async stop(signal: NodeJS.Signals): Promise<End> {
    this.child.kill(signal);
    return within(`the recorder to end by ${signal}`, this.ended, 20_000);
  }
}
