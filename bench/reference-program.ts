import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { type Built, buildProgram } from "../test/programs/build.ts";

/** Builds bench/reference/NAME.c. */
export function buildReference(name: string): Built {
  return buildProgram(name, [`bench/reference/${name}.c`, "bench/reference/reference.h"]);
}

/** A reference program that runs: a line in, a line out. It waits, and costs nothing, while it is not asked. */
export class ReferenceProgram {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #unread: string[] = [];
  readonly #waiting: ((line: string | null) => void)[] = [];
  #ended = false;

  private constructor(path: string, args: readonly string[]) {
    this.#child = spawn(path, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.pipe(process.stderr);
    // Asked after its end, it answers by its end.
    this.#child.stdin.on("error", () => undefined);
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#lines.on("line", (line) => {
      const reader = this.#waiting.shift();
      if (reader === undefined) this.#unread.push(line);
      else reader(line);
    });
    this.#lines.on("close", () => {
      this.#ended = true;
      for (const reader of this.#waiting.splice(0)) reader(null);
    });
  }

  /** Starts a built program. */
  static start(path: string, args: readonly string[] = []): ReferenceProgram {
    return new ReferenceProgram(path, args);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** @throws Error when the program ended instead of answering */
  async ask(question: string): Promise<string> {
    this.#child.stdin.write(`${question}\n`);
    return this.read();
  }

  /** The next line it says. @throws Error when it ended instead */
  async read(): Promise<string> {
    const ready = this.#unread.shift();
    if (ready !== undefined) return ready;
    const line = this.#ended
      ? null
      : await new Promise<string | null>((resolve) => this.#waiting.push(resolve));
    if (line === null) throw new Error(`expected a line from ${this.#child.spawnfile}, found its end`);
    return line;
  }

  /** Ends it by ending its input, and waits until it is gone. */
  async stop(): Promise<void> {
    const gone = new Promise<void>((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) resolve();
      else this.#child.once("exit", () => resolve());
    });
    this.#child.stdin.end();
    await gone;
  }
}
