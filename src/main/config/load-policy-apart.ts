import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { type ExitCode, Fault } from "../../core/fault.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { PolicyRequest } from "./load-policy.ts";

/** What the thread answers: the policy, or why there is none. `code` is null when that was no expected failure. */
export type ApartAnswer =
  | { readonly policy: Policy }
  | { readonly code: ExitCode | null; readonly message: string };

/** Reading takes about 100 ms; on a host short of memory the code has to come from disk. */
const ANSWER_LIMIT_MS = 60_000;

/**
 * The policy to guard by, as loadPolicy gives it, read in a thread of its own that ends at once. What reads TOML and
 * checks shapes is 9 MiB resident (Node 20.20, x64): in the guard's main thread it would stay for good.
 * Blocks the calling thread until the answer is there.
 * @throws Fault as loadPolicy does, with the same code and message; Error when the thread does not answer
 */
export function loadPolicyApart(request: PolicyRequest): Policy {
  const { port1: ours, port2: theirs } = new MessageChannel();
  const answered = new SharedArrayBuffer(4);
  const worker = new Worker(new URL("./policy-thread.js", import.meta.url), {
    workerData: { request, answered, port: theirs },
    transferList: [theirs],
    name: "plimsoll-policy",
  });
  // Its failures come as answers; one that comes later than the time limit is nobody's any more.
  worker.on("error", () => undefined);
  Atomics.wait(new Int32Array(answered), 0, 0, ANSWER_LIMIT_MS);
  const answer = receiveMessageOnPort(ours)?.message as ApartAnswer | undefined;
  ours.close();
  void worker.terminate();
  if (answer === undefined) {
    throw new Error(
      `expected the policy to be read within ${ANSWER_LIMIT_MS} ms, found no answer; start again`,
    );
  }
  if ("policy" in answer) return answer.policy;
  throw answer.code === null ? new Error(answer.message) : new Fault(answer.code, answer.message);
}
