import { Worker } from "node:worker_threads";
import type { CallbackName } from "../../core/app/callbacks.ts";
import { formatDuration } from "../../core/units.ts";
import type { Call, FromModule, ModuleStart } from "./talk.ts";

/** What the module may take of the heap, in MiB: more than this and its thread is ended. */
const HEAP_MIB = 128;
const STACK_MIB = 4;
/** A call for a critical level that has not begun after so long is held up by an earlier one. */
const HELD_UP_MS = 100;
/** Of what the module says, so much goes to the log: of a line, and of lines between two calls. */
const LINE_CHARACTERS = 1000;
const LINES_MAX = 200;

export interface RunnerOptions {
  /** How long a call may take, and how long it may take to load the module. */
  readonly callDeadlineMs: number;
  readonly loadLimitMs: number;
  /** It has been loaded, or cannot be (then it has nothing). */
  readonly loaded: (names: readonly CallbackName[]) => void;
  /** For the record: what is not as it should be. */
  readonly trouble: (what: string, why: string) => void;
  readonly log: (severity: "info" | "warn" | "error", text: string) => void;
}

export interface CallEnd {
  readonly ok: boolean;
  /** For the record. */
  readonly text: string;
}

interface Pending {
  readonly call: Call;
  readonly resolve: (end: CallEnd) => void;
  timer: NodeJS.Timeout | null;
  began: boolean;
  /** It was begun anew once, as another held it up. */
  retried: boolean;
}

/**
 * Runs the user's module in a thread of its own, and watches over it: one that hangs, throws where nobody catches, ends its
 * thread or takes too much memory loses the thread, and gets a new one. What it was asked meanwhile fails, on record.
 */
export class ModuleRunner {
  readonly #url: URL;
  readonly #modulePath: string;
  readonly #options: RunnerOptions;
  readonly #pending = new Map<string, Pending>();
  #worker: Worker | null = null;
  #loading: NodeJS.Timeout | null = null;
  #isLoaded = false;
  #lines = 0;
  #closed = false;

  /** @param url the built file of ./module-thread.ts */
  constructor(url: URL, modulePath: string, options: RunnerOptions) {
    this.#url = url;
    this.#modulePath = modulePath;
    this.#options = options;
    this.#start();
  }

  /** Calls a function of the module's, which it must have. Never rejects. */
  call(call: Call): Promise<CallEnd> {
    if (this.#worker === null) return Promise.resolve({ ok: false, text: "the module is not loaded" });
    this.#lines = 0;
    return new Promise((resolve) => {
      const pending: Pending = { call, resolve, timer: null, began: false, retried: false };
      this.#pending.set(call.id, pending);
      this.#post(pending);
    });
  }

  close(): void {
    this.#closed = true;
    this.#end("the guard ends");
  }

  #post(pending: Pending): void {
    const { call } = pending;
    const { callDeadlineMs } = this.#options;
    const why = `it did not end within ${formatDuration(callDeadlineMs)}`;
    pending.timer = setTimeout(() => this.#restart(`${call.name}: ${why}`), callDeadlineMs);
    // Until the module is there, calls wait for it.
    if (!this.#isLoaded) return;
    this.#worker?.postMessage(call);
    if (call.context.level === "critical" && this.#pending.size > 1)
      setTimeout(() => this.#freeFor(pending), HELD_UP_MS);
  }

  /** Whoever holds the thread up loses it. */
  #freeFor(pending: Pending): void {
    const waits = this.#pending.get(pending.call.id) === pending && !pending.began;
    if (!waits || pending.retried || this.#pending.size < 2) return;
    pending.retried = true;
    this.#pending.delete(pending.call.id);
    if (pending.timer !== null) clearTimeout(pending.timer);
    this.#restart("the critical level has begun, and the thread was held up", pending);
  }

  /** @param first is asked again in the new thread */
  #restart(why: string, first: Pending | null = null): void {
    const wasLoaded = this.#isLoaded;
    this.#end(why);
    this.#options.trouble("the thread of the callbacks was ended", why);
    if (this.#closed) return;
    // What cannot even be loaded is not tried for ever.
    if (!wasLoaded) return this.#options.loaded([]);
    this.#start();
    if (first === null) return;
    this.#pending.set(first.call.id, first);
    this.#post(first);
  }

  #start(): void {
    const workerData: ModuleStart = { modulePath: this.#modulePath };
    const worker = new Worker(this.#url, {
      workerData,
      name: "plimsoll-module",
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB, stackSizeMb: STACK_MIB },
    });
    this.#worker = worker;
    this.#isLoaded = false;
    const { loadLimitMs } = this.#options;
    this.#loading = setTimeout(
      () => this.#restart(`it was not loaded within ${formatDuration(loadLimitMs)}`),
      loadLimitMs,
    );
    worker.stdout.setEncoding("utf8").on("data", (text: string) => this.#log("info", text));
    worker.stderr.setEncoding("utf8").on("data", (text: string) => this.#log("warn", text));
    worker.on("message", (message: FromModule) => this.#take(worker, message));
    worker.on("error", (error: unknown) => this.#failed(worker, `it threw: ${messageOf(error)}`));
    worker.on("exit", (code) => this.#failed(worker, `it ended its thread, with code ${code}`));
  }

  #failed(worker: Worker, why: string): void {
    if (worker === this.#worker) this.#restart(why);
  }

  #take(worker: Worker, message: FromModule): void {
    // What a thread says that is being ended comes too late.
    if (worker !== this.#worker) return;
    switch (message.say) {
      case "loaded":
        for (const odd of message.odd) this.#options.trouble("the callbacks' module is not as expected", odd);
        return this.#takeLoaded(message.names);
      case "unloadable":
        this.#end(message.why);
        this.#options.trouble("the callbacks' module cannot be loaded", message.why);
        return this.#options.loaded([]);
      case "began": {
        const pending = this.#pending.get(message.id);
        if (pending !== undefined) pending.began = true;
        return;
      }
      case "ended":
        return this.#resolve(message.id, {
          ok: message.error === null,
          text: message.error === null ? "returned" : `threw ${message.error}`,
        });
      case "log":
        return this.#log(message.severity, message.text);
    }
  }

  #takeLoaded(names: readonly CallbackName[]): void {
    if (this.#loading !== null) clearTimeout(this.#loading);
    this.#isLoaded = true;
    this.#options.loaded(names);
    for (const { call } of this.#pending.values()) this.#worker?.postMessage(call);
  }

  #resolve(id: string, end: CallEnd): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    if (pending.timer !== null) clearTimeout(pending.timer);
    pending.resolve(end);
  }

  /** Ends the thread; whatever it was asked has failed. A thread that sleeps in the kernel goes when it wakes. */
  #end(why: string): void {
    const worker = this.#worker;
    this.#worker = null;
    if (this.#loading !== null) clearTimeout(this.#loading);
    void worker?.terminate();
    for (const id of this.#pending.keys()) this.#resolve(id, { ok: false, text: why });
  }

  #log(severity: "info" | "warn" | "error", text: string): void {
    for (const line of text.split("\n")) {
      if (line.trim() === "") continue;
      this.#lines++;
      if (this.#lines > LINES_MAX) return;
      const more = this.#lines === LINES_MAX ? " (what follows is not logged)" : "";
      this.#options.log(severity, `${line.slice(0, LINE_CHARACTERS)}${more}`);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
