/**
 * What the guard's size is compared with: a bare Node process with as many workers (the first argument). They wait as
 * most of the guard's do, blocked, outside of the event loop. Says "ready" when all wait.
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
  parentPort?.postMessage("waiting");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
