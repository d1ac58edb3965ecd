/**
 * The parent of a command: nest --hold M --name N -- COMMAND... Holds M MiB, and ends as its child does. The child has
 * its streams: what it says is the child's.
 */
import { spawn } from "node:child_process";
import fs from "node:fs";
import { parseArgs } from "node:util";

const MIB = 1024 * 1024;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { hold: { type: "string", default: "0" }, name: { type: "string", default: "nest" } },
});
const [file, ...args] = positionals;
if (file === undefined) throw new Error("expected a command after --");

fs.writeFileSync("/proc/self/comm", values.name);
const held = Buffer.allocUnsafeSlow(Number(values.hold) * MIB).fill(1);
const child = spawn(file, args, { stdio: "inherit" });
child.once("exit", (code) => {
  // Said here so that the memory is held to the end.
  process.exitCode = held.length >= 0 ? (code ?? 1) : 1;
});
