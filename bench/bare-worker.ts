/**
 * What the guard's size is compared with: a bare Node process with as many workers (the first argument), each waiting
 * for a message that never comes. Says "ready" when all wait.
 */
import { isMainThread, parentPort, Worker } from "node:worker_threads";

if (isMainThread) {
  const count = Number(process.argv[2]);
  let waiting = 0;
  for (let i = 0; i < count; i++) {
    const worker = new Worker(new URL(import.meta.url));
    worker.on("message", () => {
      if (++waiting === count) process.stdout.write("ready\n");
    });
  }
} else {
  parentPort?.on("message", () => undefined);
  parentPort?.postMessage("waiting");
}
