/**
 * The journal of what lanes impose: whole, damaged, or anything at all; and the guardian's script against it, in each
 * shell that is here. The cgroups are directories of plain files, so both versions' files can be in them.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { foldLevers, formatEnd, formatLever, type HeldLever } from "../../src/core/levers/journal.ts";
import {
  isLever,
  isPerDevice,
  type Lever,
  LEVER_FILES,
  type LeverFile,
  leverKey,
  readLeverText,
} from "../../src/core/levers/lever.ts";
import { LEVERS_SCRIPT } from "../../src/main/guardian/levers-script.ts";
import { fuzzSettings } from "../support/fuzz.ts";

/** By their paths: the script is run where no program is found. */
const SHELLS = [["/bin/sh"], ["/bin/bash", "--posix"], ["/bin/busybox", "sh"]].filter(([shell = ""]) =>
  fs.existsSync(shell),
);
const NAMES = [
  "plain",
  "two  blanks and 'quotes\"",
  "$(touch INJECTED)`touch INJECTED`",
  "*;ÁÂé\u0408 &\t~#\\n",
];
/** So few values that files often hold what the journal says. */
const VALUES: Readonly<Record<LeverFile, readonly string[]>> = {
  "cpu.cfs_quota_us": ["-1", "1000", "25000", "100000"],
  "cpu.max": ["max 100000", "25000 100000", "1000 50000"],
  "blkio.throttle.read_bps_device": ["0", "1048576", "4096"],
  "blkio.throttle.write_bps_device": ["0", "1048576", "18446744073709551615"],
  "blkio.throttle.read_iops_device": ["0", "10", "100"],
  "blkio.throttle.write_iops_device": ["0", "10", "100"],
  "io.max": [
    "rbps=max wbps=max riops=max wiops=max",
    "rbps=1048576 wbps=max riops=max wiops=10",
    "rbps=max wbps=4096 riops=5 wiops=max",
  ],
  "freezer.state": ["THAWED", "FROZEN"],
  "cgroup.freeze": ["0", "1"],
};
const DEVICES = ["8:0", "8:16", "259:3"];

interface Where {
  readonly directories: readonly string[];
  readonly inodes: readonly number[];
}

const number = fc.integer({ min: 1, max: 12 });

function cgroupHeld({ directories, inodes }: Where): fc.Arbitrary<HeldLever> {
  return fc
    .tuple(fc.constantFrom(...LEVER_FILES), fc.nat(directories.length - 1), fc.nat(9), number)
    .chain(([file, i, other, n]) => {
      const value = fc.constantFrom(...VALUES[file]);
      const device = isPerDevice(file) ? fc.constantFrom(...DEVICES) : fc.constant(null);
      return fc.tuple(value, value, value, device).map(([original, before, to, on]): HeldLever => {
        const inode = (inodes[i] as number) + (other === 0 ? 1 : 0);
        const directory = directories[i] as string;
        const lever: Lever = { kind: "cgroup", directory, inode, file, device: on, value: to };
        return { number: n, lever, original, before, waiting: false };
      });
    });
}

const otherHeld: fc.Arbitrary<HeldLever> = fc
  .tuple(
    number,
    // No process has this start, no interface this index.
    fc.constantFrom<Lever>(
      { kind: "nice", pid: process.pid, startTicks: 7, value: 15 },
      { kind: "thread", pid: process.pid, startTicks: 0, value: -3 },
      { kind: "stop", pid: process.pid, startTicks: 1 },
      { kind: "stop", pid: 999_999_999, startTicks: 123 },
      { kind: "shape", ifindex: 99_999_999, interface: "veth*?[a]" },
      { kind: "link", ifindex: 99_999_998, interface: "$(id)" },
      { kind: "domain", uri: "test:///default", domain: "the 'big' one; $(touch INJECTED)" },
    ),
    fc.constantFrom("0", "-20", "19", "-1"),
  )
  .map(([n, lever, nice]) => {
    const hasValue = lever.kind === "nice" || lever.kind === "thread";
    const value = hasValue ? nice : null;
    return { number: n, lever, original: value, before: value, waiting: false };
  });

function lineOf(where: Where): fc.Arbitrary<string> {
  const set = fc
    .oneof({ weight: 5, arbitrary: cgroupHeld(where) }, otherHeld)
    .map((held) => formatLever(held).slice(0, -1));
  const end = fc
    .tuple(number, fc.constantFrom("done", "left", "gone", "wait"))
    .map(([n, how]) => formatEnd(n, how as "done").slice(0, -1));
  const garbage = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."set done cgroup 0189max/.,=-$`'\"\\:* ".split("")) }),
    set.map((line) => line.slice(0, -3)),
    set.map((line) => line.replace(" ", "  ")),
    set.map((line) => line.replace(/ \d+/, " 0012")),
    set.map((line) => line.replace("max", "mix")),
    fc.tuple(set, fc.nat(60), fc.constantFrom("x", "0", " ", "\\", "/", "")).map(([line, i, by]) => {
      return line.slice(0, i) + by + line.slice(i + 1);
    }),
  );
  return fc.oneof({ weight: 6, arbitrary: set }, { weight: 2, arbitrary: end }, garbage);
}

describe("the journal", () => {
  test("what is written is read back", () => {
    const where = { directories: NAMES.map((name) => `/cg/${name}`), inodes: [5, 6, 7, 8] };
    const held = fc.array(fc.oneof(cgroupHeld(where), otherHeld), { maxLength: 12 });
    fc.assert(
      fc.property(held, (entries) => {
        const numbered = entries.map((entry, i) => ({ ...entry, number: i + 1 }));
        const state = foldLevers(numbered.map(formatLever).join(""));
        expect(state.held).toEqual(numbered);
        expect(state.problems).toEqual([]);
        expect(state.nextNumber).toBe(numbered.length + 1);
        for (const { lever } of numbered) expect(isLever(lever)).toBe(true);
      }),
      fuzzSettings(),
    );
  });

  test("whatever stands in it: nothing is thrown, and what is held can be journaled again", () => {
    const where = { directories: NAMES.map((name) => `/cg/${name}`), inodes: [5, 6, 7, 8] };
    const text = fc.oneof(
      fc.array(lineOf(where)).map((lines) => lines.join("\n")),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(text, (journal) => {
        const { held } = foldLevers(journal);
        const again = foldLevers(held.map(formatLever).join(""));
        expect(again.held).toEqual(held.map((entry) => ({ ...entry, waiting: false })));
        expect(new Set(held.map((entry) => entry.number)).size).toBe(held.length);
      }),
      fuzzSettings(100),
    );
  });

  test("a line without an end was not done; what is cut off anywhere is not made into something else", () => {
    const where = { directories: ["/cg/a b"], inodes: [5] };
    fc.assert(
      fc.property(cgroupHeld(where), fc.nat(200), (entry, cut) => {
        const line = formatLever(entry);
        const { held } = foldLevers(line.slice(0, Math.min(cut, line.length - 1)));
        expect(held).toEqual([]);
      }),
      fuzzSettings(),
    );
  });

  test("levers of the same thing have one key, of others another", () => {
    const stop = { kind: "stop", pid: 5, startTicks: 6 } as const;
    expect(leverKey(stop)).toBe(leverKey({ ...stop }));
    expect(leverKey(stop)).not.toBe(leverKey({ ...stop, startTicks: 7 }));
    expect(leverKey(stop)).not.toBe(leverKey({ ...stop, kind: "nice", value: 3 }));
  });

  test.each<readonly [string, Lever]>([
    [
      "a path with a newline",
      { kind: "cgroup", directory: "/a\nb", inode: 5, file: "cpu.max", device: null, value: "max 100000" },
    ],
    [
      "a device where there is none",
      { kind: "cgroup", directory: "/a", inode: 5, file: "cpu.max", device: "8:0", value: "max 100000" },
    ],
    ["init", { kind: "stop", pid: 1, startTicks: 5 }],
    ["an option for a name", { kind: "link", ifindex: 5, interface: "-all" }],
    ["the mark of a line that was not finished", { kind: "link", ifindex: 5, interface: "a\u0001torn" }],
    ["an option for a domain", { kind: "domain", uri: "qemu:///system", domain: "--all" }],
    ["blanks in a URI", { kind: "domain", uri: "qemu:///system --x", domain: "a" }],
    ["a nice value that is none", { kind: "nice", pid: 5, startTicks: 5, value: 20 }],
  ])("%s is not journaled", (_, lever) => {
    expect(isLever(lever)).toBe(false);
  });
});

/** A file as the kernel shows it: of one device the value, of the others nothing of the sort. */
function textOf(file: LeverFile, value: string): string {
  if (file === "freezer.state") return value === "FROZEN" ? "1\n" : "0\n";
  return isPerDevice(file) ? `1:5 7\n8:0 ${value}\n8:160 ${value}\n` : `${value}\n`;
}

/** Where it is read: the kernel says of the freezer in another file whether it is frozen for its own sake. */
const nameToRead = (file: LeverFile): string => (file === "freezer.state" ? "freezer.self_freezing" : file);

describe.each(SHELLS)("the guardian's script in %s", (...shell) => {
  test("puts back what the journal says, and nothing else", { timeout: 240_000 }, () => {
    const home = fs.mkdtempSync("/tmp/plimsoll-test-levers-");
    onTestFinished(() => fs.rmSync(home, { recursive: true, force: true }));
    const directories = NAMES.slice(1, 3).map((name) => path.join(home, name));
    for (const directory of directories) fs.mkdirSync(directory);
    const inodes = directories.map((directory) => fs.statSync(directory).ino);
    const journal = path.join(home, "levers-test.journal");
    const state = fc.record({
      picks: fc.array(fc.nat(5), { minLength: 2 * LEVER_FILES.length, maxLength: 2 * LEVER_FILES.length }),
      lines: fc.array(lineOf({ directories, inodes }), { maxLength: 20 }),
      torn: fc.boolean(),
    });
    fc.assert(
      fc.property(state, ({ picks, lines, torn }) => {
        const present = new Map<string, string>();
        for (const [d, directory] of directories.entries()) {
          for (const [f, file] of LEVER_FILES.entries()) {
            const values = VALUES[file];
            const value = values[(picks[d * LEVER_FILES.length + f] as number) % values.length] as string;
            fs.writeFileSync(path.join(directory, file), "untouched\n");
            fs.writeFileSync(path.join(directory, nameToRead(file)), textOf(file, value));
            present.set(`${directory}/${file}`, value);
          }
        }
        const text = `${lines.join("\n")}${torn || lines.length === 0 ? "" : "\n"}`;
        fs.writeFileSync(journal, text);
        const { held } = foldLevers(text);
        const ran = spawnSync(
          shell[0] as string,
          [...shell.slice(1), "-c", LEVERS_SCRIPT, "guardian", home, "/proc", "once", ""],
          // Without any program: builtins do what keeps others from running, the rest waits.
          { env: { PATH: "/nonexistent", LC_ALL: "C" }, cwd: home, stdio: ["ignore", "pipe", "pipe"] },
        );
        expect(ran.status).toBe(0);
        const written = expectedWrites(held, present, inodesBy(directories, inodes));
        for (const [at, value] of present) {
          const file = path.basename(at) as LeverFile;
          const found = fs.readFileSync(at, "utf8");
          const untouched = file === "freezer.state" ? "untouched\n" : textOf(file, value);
          expect(found, `${at} held ${value}; ${text}`).toBe(written.get(at) ?? untouched);
        }
        expect(fs.existsSync(`${home}/INJECTED`)).toBe(false);
        // What it wrote down is about all that was held, and closes what took no program.
        const after = foldLevers(fs.readFileSync(journal, "utf8"));
        for (const { lever, waiting } of after.held) {
          expect(waiting).toBe(true);
          expect(["nice", "thread", "shape", "link", "domain"]).toContain(lever.kind);
        }
        const open = new Set(after.held.map((entry) => entry.number));
        for (const { number: n, lever } of held) if (lever.kind === "domain") expect(open.has(n)).toBe(true);
      }),
      fuzzSettings(60),
    );
  });
});

function inodesBy(directories: readonly string[], inodes: readonly number[]): ReadonlyMap<string, number> {
  return new Map(directories.map((directory, i) => [directory, inodes[i] as number]));
}

/** What the script shall write, by core's own reading of the files; files that are written show what was written. */
function expectedWrites(
  held: readonly HeldLever[],
  present: ReadonlyMap<string, string>,
  inodes: ReadonlyMap<string, number>,
): Map<string, string> {
  const written = new Map<string, string>();
  for (const { lever, original, before } of held) {
    if (lever.kind !== "cgroup" || inodes.get(lever.directory) !== lever.inode) continue;
    const { file, device, value } = lever;
    const at = `${lever.directory}/${file}`;
    const text = file === "freezer.state" ? null : written.get(at);
    const shown = text ?? textOf(file, present.get(at) as string);
    const now = readLeverText(file, device, shown);
    if (now === original || (now !== before && now !== value)) continue;
    written.set(at, `${device === null ? "" : `${device} `}${original}\n`);
  }
  return written;
}
