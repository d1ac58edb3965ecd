import { type ChildProcess, spawn } from "node:child_process";
import os from "node:os";
import { closeDescriptor } from "../../native/descriptor.ts";
import { createPipe } from "../../native/pipe.ts";

/** The helper: reads lines, runs them. It starts each command in the background, so it is always ready for the next. */
const SCRIPT = 'while IFS= read -r line; do eval "$line"; done';
const RESTART_MS = 1000;

/**
 * The process that starts commands: a shell of its own, small, started before any crisis, so that starting a command
 * does not mean copying the guard's address space when memory is short. It ends when the guard does: its input closes.
 */
export class HelperProcess {
  /** For the action lane: where to write lines, where replies come from. */
  readonly inputDescriptor: number;
  readonly outputDescriptor: number;
  readonly #childInput: number;
  readonly #childOutput: number;
  #child: ChildProcess | null = null;
  #stopped = false;

  constructor() {
    const input = createPipe();
    const output = createPipe();
    this.#childInput = input.readEnd;
    this.inputDescriptor = input.writeEnd;
    this.outputDescriptor = output.readEnd;
    this.#childOutput = output.writeEnd;
    this.#start();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  stop(): void {
    this.#stopped = true;
    this.#child?.kill();
    for (const end of [this.#childInput, this.#childOutput, this.inputDescriptor, this.outputDescriptor]) {
      closeDescriptor(end);
    }
  }

  #start(): void {
    const child = spawn("/bin/sh", ["-c", SCRIPT], {
      // In a session of its own: a Ctrl-C on the terminal is for the guard, not for a command under way.
      detached: true,
      stdio: [this.#childInput, this.#childOutput, "inherit"],
      cwd: "/",
    });
    child.on("error", () => undefined);
    child.on("exit", () => {
      if (!this.#stopped) setTimeout(() => this.#stopped || this.#start(), RESTART_MS).unref();
    });
    child.unref();
    // Started again it would inherit the guard's raised priority; its commands are to run as anybody's.
    if (child.pid !== undefined) os.setPriority(child.pid, 0);
    this.#child = child;
  }
}
