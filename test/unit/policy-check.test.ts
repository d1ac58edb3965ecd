import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ExitCode } from "../../src/core/fault.ts";
import { PolicyFault } from "../../src/core/policy/problem.ts";
import { checkCommand } from "../../src/main/cli/check-command.ts";
import { findMemoryHierarchy } from "../../src/workers/common/cgroup-path.ts";

let directory = "";
let output = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "plimsoll-check-"));
  output = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    output += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  rmSync(directory, { recursive: true });
});

async function run(text: string | null, ...options: string[]): Promise<void> {
  const path = join(directory, "p.toml");
  if (text !== null) writeFileSync(path, text, { mode: 0o644 });
  const program = new Command("plimsoll").addCommand(checkCommand());
  await program.parseAsync(["check", ...(text === null ? [] : [path]), ...options], { from: "user" });
}

/** How many memory cgroups this host has below the root. */
function memoryCgroups(): number {
  const hierarchy = findMemoryHierarchy("/sys/fs/cgroup");
  if (hierarchy === null) return 0;
  return readdirSync(hierarchy.root, { withFileTypes: true }).filter((entry) => entry.isDirectory()).length;
}

describe("for people", () => {
  test("the built-in policy is shown as a table of levels, ladders and rules", async () => {
    await run(null, "--profile", "default");
    expect(output).toMatch(/^policy {6}built-in:default\n/);
    expect(output).toMatch(/^level +begins below +ends above +swap below +also +for +ladder$/m);
    expect(output).toMatch(/^critical +5% +7\.5% +5% +- +0s +log -> sigterm \(2s\) -> sigkill \(10s\)$/m);
    expect(output).toMatch(/^thrashing +15% +- +- +500 pages\/s, stalled 20% +3s +log -> /m);
    expect(output).toMatch(/^never +built-in +name ~ .*sshd.*, uid 0 +-$/m);
    expect(output).toMatch(/^rescue {6}nobody: no limit is changed/m);
    expect(process.exitCode).toBe(undefined);
  });

  test("a file's own words are shown, with its findings", async () => {
    const ladder = "ladder = [{ action = 'command', run = 'echo hi', deadline = '1s' }]";
    const rule = "[[victim.never]]\nexe = '/x'\n[[victim.never]]\nname = 'systemd-journald'";
    await run(`scope = '/a'\ndry_run = true\nmemory.warning = false\n[memory.critical]\n${ladder}\n${rule}`);
    expect(output).toMatch(
      /^scope {7}cgroup \/a\nmode {8}dry run: nothing is signalled, no limit is moved$/m,
    );
    expect(output).toMatch(/^warning +off$/m);
    expect(output).toContain('run "echo hi" (1s)');
    expect(output).toMatch(/^never +6 +exe ~ "\/x" +too$/m);
    expect(output).toMatch(
      /^warning: .*p\.toml:8: victim\.never\[1\]\.name: expected .*; the rule never fires; /m,
    );
  });

  test("a bad one throws all its mistakes for the program to print", async () => {
    await expect(run("a = 1\nb = 2")).rejects.toThrow(PolicyFault);
    expect(output).toBe("");
  });
});

describe("as JSON", () => {
  test("a good one is the compiled policy and the findings", async () => {
    await run("victim.never = [{ name = 'systemd-journald' }]", "--json");
    const printed = JSON.parse(output);
    expect(printed).toMatchObject({ valid: true, policy: { scope: "host", memory: { intervalMs: 100 } } });
    expect(printed.findings).toContainEqual(
      expect.objectContaining({ severity: "warning", line: 1, key: "victim.never[0].name" }),
    );
    expect(process.exitCode).toBe(undefined);
  });

  test("the cgroups that match now, by list", async () => {
    await run("rescue.cgroups = ['/no-such/cgroup']\ncgroups.watch = []", "--json");
    expect(JSON.parse(output).matches).toEqual({ watch: [], cgroups: [], donors: [], pause: [] });
    output = "";
    await run("", "--json");
    const { matches } = JSON.parse(output);
    const directories = memoryCgroups();
    // Others may come and go meanwhile; those of init stay.
    for (const { path } of matches.watch) expect(path).toMatch(/^\//);
    expect(matches.watch.length > 0).toBe(directories > 0);
  });

  test("a bad one is its mistakes, and exit code 3", async () => {
    await run("scop = 1\n[memory]\ninterval = 5", "--json");
    expect(JSON.parse(output)).toMatchObject({
      valid: false,
      problems: [
        { line: 1, key: "scop", advice: "did you mean scope?" },
        { line: 3, key: "memory.interval", found: "the number 5" },
      ],
    });
    expect(process.exitCode).toBe(ExitCode.badPolicy);
  });
});

test("help has an example", () => {
  let help = "";
  checkCommand()
    .configureOutput({ writeOut: (text) => (help += text) })
    .outputHelp();
  expect(help).toContain("plimsoll check /etc/plimsoll.toml");
});
