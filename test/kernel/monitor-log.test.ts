import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { MonitorLog } from "../../src/workers/app/monitor-log.ts";
import { testDirectory } from "../support/guard.ts";
import { mounts, need, root } from "../support/needs.ts";

interface Told {
  readonly log: MonitorLog;
  readonly problems: (readonly [string | null, number])[];
}

function logAt(file: string): Told {
  const problems: (readonly [string | null, number])[] = [];
  return { log: new MonitorLog(file, (problem, lost) => void problems.push([problem, lost])), problems };
}

test("lines are appended to what is there, each written at once", (context) => {
  const file = path.join(testDirectory(context), "monitor.log");
  fs.writeFileSync(file, "before\n");
  const { log, problems } = logAt(file);
  log.write(["one\n", "two\n"]);
  expect(fs.readFileSync(file, "utf8")).toBe("before\none\ntwo\n");
  expect(problems).toEqual([]);
  log.close();
});

test("a log that was moved away is begun anew; one that was cut is gone on with", (context) => {
  const file = path.join(testDirectory(context), "monitor.log");
  const { log } = logAt(file);
  log.write(["one\n"]);
  fs.renameSync(file, `${file}.1`);
  log.write(["two\n"]);
  expect([fs.readFileSync(`${file}.1`, "utf8"), fs.readFileSync(file, "utf8")]).toEqual(["one\n", "two\n"]);
  fs.truncateSync(file);
  log.write(["three\n"]);
  expect(fs.readFileSync(file, "utf8")).toBe("three\n");
  fs.rmSync(file);
  log.write(["four\n"]);
  expect(fs.readFileSync(file, "utf8")).toBe("four\n");
  log.close();
});

test("a directory that is not there is told once, and lines go on when it is", (context) => {
  const directory = path.join(testDirectory(context), "later");
  const file = path.join(directory, "monitor.log");
  const { log, problems } = logAt(file);
  log.write(["one\n", "two\n"]);
  log.write(["three\n"]);
  expect(problems).toEqual([[expect.stringContaining("ENOENT"), 2]]);
  fs.mkdirSync(directory);
  log.write(["four\n"]);
  expect(problems[1]).toEqual([null, 3]);
  expect(fs.readFileSync(file, "utf8")).toBe("four\n");
  log.close();
});

test("no symbolic link is followed", (context) => {
  const directory = testDirectory(context);
  const file = path.join(directory, "monitor.log");
  fs.writeFileSync(path.join(directory, "other"), "");
  fs.symlinkSync("other", file);
  const { log, problems } = logAt(file);
  log.write(["one\n"]);
  expect(problems).toEqual([[expect.stringContaining("ELOOP"), 1]]);
  expect(fs.readFileSync(path.join(directory, "other"), "utf8")).toBe("");
  log.close();
});

test("on a full disk no line is left half written, and lines go on when there is room", (context) => {
  need(context, root, mounts);
  const directory = testDirectory(context);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16k", "plimsoll-test", directory]);
  context.onTestFinished(() => void execFileSync("umount", ["-l", directory]));
  const file = path.join(directory, "monitor.log");
  const filler = path.join(directory, "filler");
  const { log, problems } = logAt(file);
  log.write(["one\n"]);
  fs.writeFileSync(filler, Buffer.alloc(8192));
  const line = `${"x".repeat(2999)}\n`;
  for (let i = 0; i < 4; i++) log.write([line]);
  expect(problems).toHaveLength(1);
  const written = fs.readFileSync(file, "utf8").split("\n");
  expect(written.pop()).toBe("");
  for (const each of written.slice(1)) expect(each).toHaveLength(2999);
  fs.rmSync(filler);
  log.write(["last\n"]);
  expect(problems[1]?.[0]).toBeNull();
  expect(fs.readFileSync(file, "utf8").endsWith("\nlast\n")).toBe(true);
  log.close();
});
