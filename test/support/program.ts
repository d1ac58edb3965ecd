import { type ChildProcess, spawn } from "node:child_process";
import readline from "node:readline";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";
import { within } from "./wait.ts";

/** How a process ended. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** performance.now() of the test. */
  readonly atMs: number;
}

/** The built file of a program in test/programs. */
export function programFile(name: string): string {
  return fileURLToPath(new URL(`../../dist/test/programs/${name}.js`, import.meta.url));
}

/** A process with a known behaviour, started for one test and gone after it. It tells events as JSON lines. */
export class Program {
  readonly pid: number;
  /** Resolves when it has ended. */
  readonly ended: Promise<End>;
  end: End | null = null;
  readonly #child: ChildProcess;
  readonly #said: Record<string, unknown>[] = [];
  readonly #listeners = new Set<() => void>();

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.end = { code, signal, atMs: performance.now() };
        resolve(this.end);
      });
    });
    if (child.stdout === null) return;
    readline.createInterface({ input: child.stdout }).on("line", (line) => {
      this.#said.push(JSON.parse(line) as Record<string, unknown>);
      for (const listener of this.#listeners) listener();
    });
  }

  /** Starts `command`; it is killed at the test's end if it still runs then. */
  static async start(
    context: TestContext,
    command: readonly string[],
    options: { readonly detached?: boolean; readonly uid?: number } = {},
  ): Promise<Program> {
    const [file, ...args] = command;
    const child = spawn(file as string, args, { ...options, stdio: ["pipe", "pipe", "inherit"] });
    child.stdin?.on("error", () => undefined);
    await within(
      `${command.join(" ")} to start`,
      new Promise((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", reject);
      }),
    );
    const program = new Program(child);
    context.onTestFinished(async () => {
      child.kill("SIGKILL");
      await within(`pid ${program.pid} to end`, program.ended);
    });
    return program;
  }

  /** Tells it to begin with what it waits for. */
  go(toMiB?: number): void {
    this.#child.stdin?.write(`${toMiB ?? "go"}\n`);
  }

  /** The line in which it said `event`, as soon as it has. */
  async said(event: string, limitMs = 15_000): Promise<Record<string, unknown>> {
    const find = (): Record<string, unknown> | undefined =>
      this.#said.find((line) => line["event"] === event);
    const found = find();
    if (found !== undefined) return found;
    let listener = (): void => undefined;
    const coming = new Promise<Record<string, unknown>>((resolve, reject) => {
      listener = () => {
        const line = find();
        if (line !== undefined) resolve(line);
      };
      this.#listeners.add(listener);
      void this.ended.then((end) =>
        reject(new Error(`expected "${event}" of pid ${this.pid}, found its end: ${JSON.stringify(end)}`)),
      );
    });
    try {
      return await within(`pid ${this.pid} to say "${event}"`, coming, limitMs);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
