/** The thread that reads a policy for load-policy-apart.ts: answers once, and ends. */
import { type MessagePort, workerData } from "node:worker_threads";
import { Fault } from "../../core/fault.ts";
import type { PolicyRequest } from "./load-policy.ts";
import type { ApartAnswer } from "./load-policy-apart.ts";

const { request, answered, port } = workerData as {
  readonly request: PolicyRequest;
  readonly answered: SharedArrayBuffer;
  readonly port: MessagePort;
};

async function answer(): Promise<ApartAnswer> {
  try {
    // Imported here, so that a failure to do so is an answer too.
    const { loadPolicy } = await import("./load-policy.ts");
    return { policy: loadPolicy(request) };
  } catch (error) {
    if (error instanceof Fault) return { code: error.code, message: error.message };
    return { code: null, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

port.postMessage(await answer());
Atomics.store(new Int32Array(answered), 0, 1);
Atomics.notify(new Int32Array(answered), 0);
