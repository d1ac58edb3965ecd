/**
 * The guardian's script against what the journal says: any journal, any state of the files, in each shell that is here.
 * The cgroups are directories of plain files, so both versions' files can be in them.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  foldJournal,
  formatAmount,
  JOURNALED_FILES,
  type OutstandingChange,
} from "../../src/core/rescue/journal.ts";
import { GUARDIAN_SCRIPT } from "../../src/main/guardian/script.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const PAGE = 4096;
/** dash, what sh is on most; bash and busybox are on others. */
const SHELLS = [["/bin/sh"], ["bash", "--posix"], ["busybox", "sh"]].filter(
  ([shell = "", ...args]) => spawnSync(shell, [...args, "-c", "exit 7"]).status === 7,
);
/** Names as people and programs give them, and as somebody might who wants another command run. */
const NAMES = [
  "plain",
  "two  blanks and 'quotes\"",
  "$(touch INJECTED)`touch INJECTED`",
  "*;ÁÂé\u0408 &\t~#\\n",
];
const USAGE = { limit: "memory.usage_in_bytes", memsw: "memory.memsw.usage_in_bytes", max: "memory.current" };

interface Cgroup {
  readonly directory: string;
  readonly inode: number;
  readonly usage: number;
  readonly files: ReadonlyMap<string, string>;
}

/** Amounts so few that files often hold what the journal says; one that is not whole pages, one too long. */
const amount = fc.constantFrom("0", "1", "4096", "8192", "409600", "409601", "max", "9007199254740992");
const fileText = fc.constantFrom("0", "1", "4096", "8192", "409600", "max", "9223372036854771712", "12288");

function lineArbitrary(directories: readonly string[], inodes: readonly number[]): fc.Arbitrary<string> {
  const which = fc.nat(directories.length - 1);
  const target = fc.tuple(which, fc.constantFrom(...JOURNALED_FILES, "memory.stat"), fc.boolean());
  const inodeOf = (i: number, other: boolean): number => (inodes[i] as number) + (other ? 1 : 0);
  const seldom = fc.tuple(target, fc.nat(9)).map(([[i, file], other]) => ({
    inode: inodeOf(i, other === 0),
    at: `${directories[i]}/${file}`,
  }));
  const set = fc.tuple(seldom, amount, amount, amount).map(([{ inode, at }, original, before, value]) => {
    return `set ${inode} ${original} ${before} ${value} ${at}`;
  });
  const other = fc
    .tuple(fc.constantFrom("done", "left", "gone", "wait"), seldom)
    .map(([verb, { inode, at }]) => `${verb} ${inode} ${at}`);
  const garbage = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."set 0189max/.-$`'\"\\ ".split("")) }),
    set.map((line) => line.slice(0, -3)),
    set.map((line) => line.replace(" ", "  ")),
    set.map((line) => line.replace(/ \d+/, " 0012")),
  );
  return fc.oneof({ weight: 6, arbitrary: set }, { weight: 2, arbitrary: other }, garbage);
}

/** Whole pages; past 2^53 there is no limit. */
function normal(amount: number): number {
  return amount > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : amount - (amount % PAGE);
}

/** What a file shall hold after the guardian, by what core makes of the journal. */
function expectedText(cgroup: Cgroup, file: string, changes: readonly OutstandingChange[]): string {
  const present = cgroup.files.get(file) as string;
  const at = `${cgroup.directory}/${file}`;
  const change = changes.find((each) => each.path === at && each.inode === cgroup.inode);
  if (change === undefined) return present;
  const isSwitch = file === "memory.oom_control";
  const asKept = isSwitch ? (value: number) => value : normal;
  const held = asKept(present === "max" ? Number.POSITIVE_INFINITY : Number(present));
  const original = asKept(change.original);
  if (held === original || ![change.before, change.value].map(asKept).includes(held)) return present;
  // Nobody makes room in a directory of plain files.
  if (file === "memory.max" && held > original && cgroup.usage > original) return present;
  const noLimit = file === "memory.max" || file === "memory.high" ? "max" : "-1";
  return original === Number.POSITIVE_INFINITY ? noLimit : formatAmount(original);
}

function textOf(file: string, value: string): string {
  return file === "memory.oom_control" ? `oom_kill_disable ${value}\nunder_oom 0\n` : `${value}\n`;
}

describe.each(SHELLS)("in %s", (...shell) => {
  test("it puts back what the journal says, and nothing else", { timeout: 60_000 }, () => {
    const home = fs.mkdtempSync("/tmp/plimsoll-test-guardian-");
    onTestFinished(() => fs.rmSync(home, { recursive: true, force: true }));
    const directories = NAMES.map((name) => path.join(home, name));
    for (const directory of directories) fs.mkdirSync(directory);
    const inodes = directories.map((directory) => fs.statSync(directory).ino);
    const state = fc.record({
      texts: fc.array(fc.array(fileText, { minLength: 5, maxLength: 5 }), { minLength: 4, maxLength: 4 }),
      usages: fc.array(fc.constantFrom(0, 4096, 409_600), { minLength: 4, maxLength: 4 }),
      lines: fc.array(lineArbitrary(directories, inodes), { maxLength: 25 }),
      torn: fc.boolean(),
    });
    fc.assert(
      fc.property(state, ({ texts, usages, lines, torn }) => {
        const cgroups = directories.map((directory, i): Cgroup => {
          const files = new Map(
            JOURNALED_FILES.map((file, k) => {
              const text = texts[i]?.[k] as string;
              return [file as string, file === "memory.oom_control" ? String(text.length % 2) : text];
            }),
          );
          for (const [file, text] of files) fs.writeFileSync(`${directory}/${file}`, textOf(file, text));
          for (const usage of Object.values(USAGE))
            fs.writeFileSync(`${directory}/${usage}`, `${usages[i]}\n`);
          return { directory, inode: inodes[i] as number, usage: usages[i] as number, files };
        });
        const journal = `${lines.join("\n")}${torn || lines.length === 0 ? "" : "\n"}`;
        fs.writeFileSync(`${home}/journal`, journal);
        const { outstanding } = foldJournal(journal);
        const { status } = spawnSync(
          shell[0] as string,
          [
            ...shell.slice(1),
            "-c",
            GUARDIAN_SCRIPT,
            "guardian",
            `${home}/journal`,
            "/proc",
            String(PAGE),
            "once",
            "",
          ],
          { env: { PATH: process.env["PATH"], LC_ALL: "C" }, cwd: home, stdio: ["ignore", "pipe", "pipe"] },
        );
        expect(status).toBe(0);
        for (const cgroup of cgroups) {
          for (const [file, before] of cgroup.files) {
            const expected = expectedText(cgroup, file, outstanding);
            const found = fs.readFileSync(`${cgroup.directory}/${file}`, "utf8");
            expect(found, `${cgroup.directory}/${file} held ${before}`).toBe(
              expected === before ? textOf(file, before) : `${expected}\n`,
            );
          }
        }
        expect(fs.existsSync(`${home}/INJECTED`)).toBe(false);
        // What the script wrote down says the same: only raised limits that do not fit are left.
        const after = foldJournal(fs.readFileSync(`${home}/journal`, "utf8"));
        for (const change of after.outstanding) {
          expect(change.waiting).toBe(true);
          expect(change.path.endsWith("/memory.max")).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });
});
