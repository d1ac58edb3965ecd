/**
 * Many small processes that are much together: `count` children, begun one after the other, each of which comes to hold
 * `each` MiB. A child is tail(1), which keeps the end of what it reads until there is no more: small and soon started.
 */
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";

const MIB = 1024 * 1024;
const { values } = parseArgs({
  options: { count: { type: "string", default: "40" }, each: { type: "string", default: "8" } },
});

const each = Number(values.each) * MIB;
const filling = Buffer.alloc(each, "a");

async function begin(): Promise<void> {
  const child = spawn("tail", ["-c", String(each)], { stdio: ["pipe", "ignore", "ignore"] });
  child.on("error", () => undefined);
  child.stdin.on("error", () => undefined);
  await new Promise((resolve) => child.stdin.write(filling, resolve));
}

process.stdout.write(`${JSON.stringify({ event: "ready", pid: process.pid })}\n`);
async function grow(): Promise<void> {
  for (let i = 0; i < Number(values.count); i++) await begin();
  process.stdout.write(`${JSON.stringify({ event: "grown", pid: process.pid })}\n`);
}
process.stdin.once("data", () => void grow());
setInterval(() => undefined, 60_000);
