import { pathToFileURL } from "node:url";
import { format } from "node:util";
import { parentPort, workerData } from "node:worker_threads";
import type { Callback, CallbackLogger, CallbackName } from "../../core/app/callbacks.ts";
import type { Call, FromModule, ModuleStart } from "./talk.ts";

/**
 * The thread in which the user's module runs, alone: whatever it does here is seen by the thread that watches over it, and
 * ended by it where it must. Nothing native is loaded here, so that it can be ended at any time.
 */

const NAMES: readonly CallbackName[] = [
  "info_phy",
  "warning_phy",
  "crit_phy",
  "info_alloc",
  "warning_alloc",
  "crit_alloc",
];

const functions = new Map<CallbackName, Callback>();

function say(message: FromModule): void {
  parentPort?.postMessage(message);
}

const log = (severity: "info" | "warn" | "error", text: unknown): void =>
  say({ say: "log", severity, text: format(text) });
const logger: CallbackLogger = {
  info: (text) => log("info", text),
  warn: (text) => log("warn", text),
  error: (text) => log("error", text),
};

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : format(error);
}

async function load(): Promise<void> {
  const { modulePath } = workerData as ModuleStart;
  try {
    const found = (await import(pathToFileURL(modulePath).href)) as Record<string, unknown>;
    const odd: string[] = [];
    for (const name of NAMES) {
      const value = found[name];
      if (typeof value === "function") functions.set(name, value as Callback);
      else if (value !== undefined) odd.push(`expected ${name} to be a function, found ${typeof value}`);
    }
    if (functions.size === 0) odd.push(`expected it to export one of ${NAMES.join(", ")}; found none`);
    say({ say: "loaded", names: [...functions.keys()], odd });
  } catch (error) {
    say({ say: "unloadable", why: textOf(error) });
  }
}

async function call({ id, name, pid, overcommitMode, sample, context }: Call): Promise<void> {
  say({ say: "began", id });
  try {
    await functions.get(name)?.(logger, pid, overcommitMode, sample, context);
    say({ say: "ended", id, error: null });
  } catch (error) {
    say({ say: "ended", id, error: textOf(error) });
  }
}

parentPort?.on("message", (asked: Call) => void call(asked));
await load();
