/**
 * A program that grows: `from` MiB at once, then, as soon as a line comes on stdin, at `rate` MiB/s up to `to` MiB, or to
 * as many as a later line says.
 * Tells on stdout what it has come to, as JSON lines. Its name is given in hexadecimal, so that it can be anything.
 */
import fs from "node:fs";
import { parseArgs } from "node:util";

const MIB = 1024 * 1024;

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "0" },
    to: { type: "string", default: "0" },
    rate: { type: "string", default: "200" },
    name: { type: "string" },
    "oom-score-adj": { type: "string" },
    "ignore-term": { type: "boolean", default: false },
  },
});

const held: Buffer[] = [];
const tell = (event: string): void => {
  process.stdout.write(`${JSON.stringify({ event, pid: process.pid, heldMiB: held.length })}\n`);
};
/** Touched, a page at a time, so that the kernel has to give it. */
const take = (): void => {
  held.push(Buffer.allocUnsafeSlow(MIB).fill(1));
};

if (values.name !== undefined) fs.writeFileSync("/proc/self/comm", Buffer.from(values.name, "hex"));
if (values["oom-score-adj"] !== undefined) {
  fs.writeFileSync("/proc/self/oom_score_adj", values["oom-score-adj"]);
}
if (values["ignore-term"]) process.on("SIGTERM", () => tell("ignored"));
while (held.length < Number(values.from)) take();
tell("ready");

process.stdin.on("data", (line) => {
  const beganMs = performance.now();
  const already = held.length;
  const to = Number(line.toString()) || Number(values.to);
  const timer = setInterval(() => {
    const due = already + ((performance.now() - beganMs) / 1000) * Number(values.rate);
    while (held.length < Math.min(due, to)) take();
    if (held.length < to) return;
    clearInterval(timer);
    tell("grown");
  }, 1);
});
// Lives until it is ended: the test that started it does so at its end.
setInterval(() => undefined, 60_000);
