/** A small program that works: holds `hold` MiB, and computes for 2 ms in every 10. Says how much it has done at SIGUSR2. */
import { parseArgs } from "node:util";

const MIB = 1024 * 1024;
const { values } = parseArgs({ options: { hold: { type: "string", default: "20" } } });

const held = Buffer.allocUnsafeSlow(Number(values.hold) * MIB).fill(1);
let turns = 0;
setInterval(() => {
  for (const endMs = performance.now() + 2; performance.now() < endMs; turns++) {
    const at = (turns * 4096) % held.length;
    held[at] = (held[at] ?? 0) + 1;
  }
}, 10);
process.on("SIGUSR2", () => process.stdout.write(`${JSON.stringify({ event: "worked", turns })}\n`));
process.stdout.write(`${JSON.stringify({ event: "ready", pid: process.pid })}\n`);
