import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { TestCgroup } from "../support/cgroup.ts";
import { GuardProcess, testDirectory } from "../support/guard.ts";
import { memoryCgroups, need, root } from "../support/needs.ts";

/** Names that a process may give itself (proc_pid_comm(5): 15 bytes, any but 0), and how they stand on record. */
const NAMES: readonly (readonly [string, Buffer, string])[] = [
  ["of a stat line's fields", Buffer.from("a) R 1 (b"), "a) R 1 (b"],
  ["of several lines", Buffer.from("a\nb) S 1 1\n"), "a\nb) S 1 1\n"],
  ["of invalid UTF-8", Buffer.from([0x61, 0xff, 0xfe, 0x29, 0x20, 0x80]), "a\ufffd\ufffd) \ufffd"],
  ["of a shell's command", Buffer.from(`';$(id>x);"`), `';$(id>x);"`],
  ["of a shell's command on a line of its own", Buffer.from("'\n>x;'\\"), "'\n>x;'\\"],
  ["of an escape sequence", Buffer.from("\x1b[2J\x07\\n%s"), "\x1b[2J\x07\\n%s"],
];

test.for(NAMES)("a hog with a name %s is ended, and named on record", async ([, name, recorded], context) => {
  need(context, root, memoryCgroups);
  const cgroup = TestCgroup.memory(context, 200);
  const directory = testDirectory(context);
  const out = path.join(directory, "name");
  const guard = await GuardProcess.start(context, {
    scope: cgroup.scope,
    policy: `
[memory.critical]
available = "80MiB"
ladder = [
  { action = "command", run = 'cd ${directory} && printf "%s" "$PLIMSOLL_VICTIM_NAME" > name', deadline = "2s" },
  { action = "sigterm", deadline = "2s" },
  { action = "sigkill", deadline = "2s" },
]
`,
  });
  const hog = await cgroup.start(context, "grow", [
    "--to",
    "150",
    "--rate",
    "300",
    "--name",
    name.toString("hex"),
  ]);
  await hog.said("ready");
  hog.go();
  expect(await hog.ended).toMatchObject({ signal: "SIGTERM" });
  expect(cgroup.oomKills).toBe(0);
  const line = await guard.decision("ended");
  expect(line["victims"]).toEqual([expect.objectContaining({ pid: hog.pid, name: recorded })]);
  // A shell's $(…) takes newlines from the end: the variable is for people, the record has all of it.
  expect(fs.readFileSync(out, "utf8").replace(/\n+$/, "")).toBe(recorded.replace(/\n+$/, ""));
  expect(fs.readdirSync(directory)).toEqual(["name"]);
});
