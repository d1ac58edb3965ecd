/** The guardian with cgroup v2, in a VM: tripwires, donors, and receivers that use more than their own limit. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { foldJournal } from "../../src/core/rescue/journal.ts";
import { GUARDIAN_SCRIPT } from "../../src/main/guardian/script.ts";
import { buildHog, projectRoot } from "../programs/build.ts";
import { labObstacle, runVm } from "./vm.ts";

const MIB = 1024 * 1024;
const TIMEOUT_MS = 180_000;

interface Seen {
  readonly maxBytes: string;
  readonly high: string;
  readonly currentBytes: number;
  readonly oomKills: number;
}

const hog = buildHog();
const obstacle = labObstacle() ?? hog.reason ?? null;
const title = "on cgroup v2 limits go back, and nobody is killed for it";

test.skipIf(obstacle !== null)(
  obstacle === null ? title : `${title} (skipped: ${obstacle})`,
  { timeout: TIMEOUT_MS + 60_000 },
  async () => {
    const share = mkdtempSync(join(tmpdir(), "plimsoll-lab-"));
    writeFileSync(join(share, "script"), GUARDIAN_SCRIPT);
    const shape = { memory: "1G", swap: null, cgroup: "v2" } as const;
    const run = { shape, share, timeoutMs: TIMEOUT_MS, kernelLog: join(share, "kernel.log") };
    const script = join(projectRoot, "test/lab/guest/guardian-v2.sh");
    const { status, output } = await runVm(run, ["sh", script, share, hog.path ?? ""]);
    expect(status, output).toBe(0);
    const text = readFileSync(join(share, "seen"), "utf8");
    const seen = new Map<string, Seen>();
    for (const line of text.split("\n")) {
      const [name = "", when = "", maxBytes = "", high = "", current = "", kills = ""] = line.split(" ");
      seen.set(`${name} ${when}`, { maxBytes, high, currentBytes: Number(current), oomKills: Number(kills) });
    }
    const at = (name: string, when: string): Seen => seen.get(`${name} ${when}`) as Seen;
    const size = (mib: number): string => String(mib * MIB);

    // As the dead guard left it: both receivers use more than the 60 MiB that are theirs.
    for (const name of ["program", "cache"]) {
      expect(at(name, "before").currentBytes, text).toBeGreaterThan(62 * MIB);
      expect(at(name, "before").maxBytes).toBe(size(160));
    }
    expect(at("tripwire", "before").high).toBe(size(80));
    // What can be is put back at once; what was page cache has made room; who uses the memory keeps it.
    expect(at("donor", "waiting").maxBytes).toBe(size(200));
    expect(at("tripwire", "waiting").high).toBe("max");
    expect(at("cache", "waiting").maxBytes).toBe(size(60));
    expect(at("program", "waiting").maxBytes).toBe(size(160));
    expect(text).toContain("guardian stays");
    // Until its program has ended.
    expect(at("program", "after").maxBytes).toBe(size(60));
    for (const { oomKills } of seen.values()) expect(oomKills || 0).toBe(0);
    expect(text).not.toContain("never:");
    expect(foldJournal(readFileSync(join(share, "journal"), "utf8")).outstanding).toEqual([]);
  },
);
