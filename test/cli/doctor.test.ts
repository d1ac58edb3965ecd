/** plimsoll doctor: on this host as it is, as an ordinary user, and on hosts that lack what it looks for. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { type Check, exitCodeOf, good, limited, missing } from "../../src/main/doctor/check.ts";
import { examine, type Examination } from "../../src/main/doctor/examine.ts";
import { examinationText } from "../../src/main/doctor/report.ts";
import { findMemoryHierarchy } from "../../src/workers/common/cgroup-path.ts";

const BIN = fileURLToPath(new URL("../../dist/src/main/cli/bin.js", import.meta.url));
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;
const made: string[] = [];

afterAll(() => {
  for (const directory of made) fs.rmSync(directory, { recursive: true, force: true });
});

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function doctor(args: readonly string[], asNobody = false): Ran {
  const command = [process.execPath, BIN, "doctor", ...args];
  const prefix = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const [file, ...rest] = asNobody ? [...prefix, ...command] : command;
  const { status, stdout, stderr } = spawnSync(file as string, rest, { encoding: "utf8", cwd: "/" });
  return { code: status, stdout, stderr };
}

function checkOf({ checks }: Pick<Examination, "checks">, name: string): Check {
  const check = checks.find((each) => each.name === name);
  if (check === undefined) throw new Error(`no check ${name}`);
  return check;
}

describe("on this host", () => {
  test("guarding is possible, and every check says what it found and what to do", () => {
    const { code, stdout, stderr } = doctor(["--json"]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const found = JSON.parse(stdout) as Examination & { version: string };
    expect(found).toMatchObject({ scope: "host", possible: true, exitCode: 0, version: "0.1.0" });
    expect(found.checks.length).toBeGreaterThan(15);
    expect(new Set(found.checks.map(({ name }) => name)).size).toBe(found.checks.length);
    for (const check of found.checks) {
      expect(["ok", "limited", "missing"]).toContain(check.state);
      for (const text of [check.found, check.means]) expect(text).not.toMatch(/undefined|NaN|\[object|^$/);
      expect(check.advice === null).toBe(check.state === "ok");
    }
    const lacking = found.checks.filter(({ state }) => state !== "ok").map(({ means }) => means);
    expect(found.uncovered.map(({ what }) => what)).toEqual(expect.arrayContaining(lacking));
    expect(checkOf(found, "pidfd").state).toBe("ok");
    expect(checkOf(found, "kernel").found).toBe(`Linux ${os.release()}`);
  });

  test("for a person: a line a check, and the verdict last", () => {
    const { code, stdout } = doctor([]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^pidfd +ok +pidfd_open and pidfd_send_signal work$/m);
    expect(stdout).toMatch(/\nNot covered:\n {2}- /);
    expect(stdout).toMatch(/\nhost can be guarded from here(, with limits)?\.\n$/);
  });

  test("nothing is left behind: no process, no descriptor", async () => {
    const descriptors = (): string[] => fs.readdirSync("/proc/self/fd");
    const subject = {
      roots: { proc: "/proc", cgroup: "/sys/fs/cgroup", kmsg: "/dev/kmsg" },
      scope: "host",
      uid: process.getuid?.() ?? 0,
    };
    const scoreBefore = fs.readFileSync("/proc/self/oom_score_adj", "utf8");
    await examine(subject);
    const before = descriptors();
    await examine(subject);
    expect(descriptors()).toEqual(before);
    expect(fs.readFileSync("/proc/self/oom_score_adj", "utf8")).toBe(scoreBefore);
    const children = fs.readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ");
    const commands = children.filter(Boolean).map((pid) => {
      try {
        return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return "";
      }
    });
    expect(commands.filter((text) => text.includes("setTimeout(() => {}"))).toEqual([]);
  });

  test("help has an example, a wrong option is usage, a wrong scope too", () => {
    const help = doctor(["--help"]);
    expect(help.code).toBe(0);
    expect(help.stdout).toContain("plimsoll doctor --scope /build");
    expect(doctor(["--nonsense"]).code).toBe(2);
    expect(doctor(["--scope", "not a path"]).code).toBe(2);
    expect(doctor(["--config", "/no/such/policy.toml"]).code).toBe(3);
  });
});

describe.skipIf(!isRoot)("scopes and ordinary users (needs root: it makes a cgroup and changes user)", () => {
  const hierarchy = isRoot ? findMemoryHierarchy("/sys/fs/cgroup") : null;

  test("an ordinary user may guard what is his, and is told what is not", () => {
    const { code, stdout } = doctor(["--json"], true);
    expect(code).toBe(0);
    const found = JSON.parse(stdout) as Examination;
    expect(checkOf(found, "processes in reach").state).toBe("limited");
    expect(checkOf(found, "capabilities").found).toContain(`uid ${NOBODY}`);
    expect(checkOf(found, "own oom_score_adj").state).toBe("limited");
  });

  test.skipIf(hierarchy?.version !== 1)(
    "a scope: with a limit, without, of others' processes, or none (cgroup v1)",
    () => {
      const name = `plimsoll-doctor-${process.pid}`;
      const directory = path.join(hierarchy?.root ?? "", name);
      fs.mkdirSync(directory);
      try {
        expect(doctor(["--scope", `/${name}`]).code).toBe(4);
        fs.writeFileSync(path.join(directory, "memory.limit_in_bytes"), String(256 * 2 ** 20));
        const limitedScope = JSON.parse(doctor(["--scope", `/${name}`, "--json"]).stdout) as Examination;
        expect(limitedScope.exitCode).toBe(0);
        expect(checkOf(limitedScope, "scope").found).toMatch(/ of 256(\.0+)? MiB available$/);
        expect(checkOf(limitedScope, "usage thresholds").state).toBe("ok");
        const sleeper = spawnSync("sh", ["-c", "sleep 60 >/dev/null 2>&1 & echo $!"], { encoding: "utf8" });
        const pid = sleeper.stdout.trim();
        try {
          fs.writeFileSync(path.join(directory, "cgroup.procs"), pid);
          expect(doctor(["--scope", `/${name}`]).code).toBe(0);
          const nobody = doctor(["--scope", `/${name}`], true);
          expect(nobody.stdout).toContain("0 of 1 may be signalled");
          expect(nobody.code).toBe(5);
        } finally {
          process.kill(Number(pid), "SIGKILL");
        }
      } finally {
        removeCgroup(directory);
      }
      const gone = doctor(["--scope", `/${name}`]);
      expect(gone.code).toBe(4);
      expect(gone.stdout).toContain(`/${name} cannot be guarded from here.`);
    },
  );
});

/** The kernel lets a cgroup go when its last process has been reaped. */
function removeCgroup(directory: string): void {
  for (let tries = 0; ; tries++) {
    try {
      fs.rmdirSync(directory);
      return;
    } catch (error) {
      if (tries > 200) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

describe("on other hosts", () => {
  const MEMINFO = "MemTotal: 1000000 kB\nMemAvailable: 500000 kB\nSwapTotal: 2000 kB\nSwapFree: 1000 kB\n";

  /** A host made of files; a null takes one away. */
  async function examineFiles(files: Record<string, string | null>, scope = "host"): Promise<Examination> {
    const root = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-doctor-"));
    made.push(root);
    const all: Record<string, string | null> = {
      "proc/meminfo": MEMINFO,
      "proc/vmstat": "pswpin 0\n",
      "proc/loadavg": "0.00 0.00 0.00 1/1 7\n",
      "proc/sys/vm/overcommit_memory": "0\n",
      "proc/self/maps": "",
      "proc/self/status": "CapEff:\t0000000000000000\n",
      "proc/self/limits": "Max open files            1024     1024     files\n",
      ...files,
    };
    for (const [name, text] of Object.entries(all)) {
      if (text === null) continue;
      fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
      fs.writeFileSync(path.join(root, name), text);
    }
    const roots = { proc: `${root}/proc`, cgroup: `${root}/cgroup`, kmsg: `${root}/kmsg` };
    return examine({ roots, scope, uid: 1000 });
  }

  function statOf(pid: number, name: string, threads: number): string {
    return `${pid} (${name}) S 1 ${pid} ${pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 ${threads} 0 100 0 10 0\n`;
  }

  test("without PSI, cgroups, kmsg and privilege: limits, and what they mean", async () => {
    const found = await examineFiles({});
    expect(found.exitCode).toBe(0);
    expect(checkOf(found, "PSI")).toMatchObject({ state: "missing", advice: "boot with psi=1 (CONFIG_PSI)" });
    expect(checkOf(found, "cgroups").state).toBe("missing");
    expect(checkOf(found, "kernel log").found).toMatch(/ENOENT$/);
    expect(checkOf(found, "capabilities").means).toContain(
      "without CAP_KILL only processes of the same user",
    );
    expect(checkOf(found, "swap").found).toBe("1000 KiB of 1.95 MiB free");
    expect(examinationText(found)).toContain("host can be guarded from here, with limits.");
  });

  test("nothing to see, or a scope without cgroups: not at all", async () => {
    for (const meminfo of [null, "", "MemTotal: 5 kB\nMemFree: 3 kB\n"]) {
      const found = await examineFiles({ "proc/meminfo": meminfo });
      expect(found.exitCode).toBe(4);
      expect(checkOf(found, "memory figures").state).toBe("missing");
      expect(examinationText(found)).toContain("host cannot be guarded from here.");
    }
    expect((await examineFiles({}, "/build")).exitCode).toBe(4);
  });

  test("strict overcommit is told", async () => {
    const found = await examineFiles({ "proc/sys/vm/overcommit_memory": "2\n" });
    expect(checkOf(found, "overcommit").state).toBe("limited");
  });

  test("others that act as well are told by name, also as a script", async () => {
    const found = await examineFiles({
      "proc/7/stat": statOf(7, "earlyoom", 1),
      "proc/7/comm": "earlyoom\n",
      "proc/8/comm": "python3\n",
      "proc/8/cmdline": "python3\0/usr/sbin/nohang\0--monitor\0",
      "proc/9/comm": "python3\n",
      "proc/9/cmdline": "python3\0/home/me/earlyoom-notes.py\0",
    });
    expect(checkOf(found, "other guards").found).toBe("earlyoom (pid 7), nohang (pid 8)");
  });

  test("hidden processes are told by the threads that are missing", async () => {
    const seen = { "proc/7/stat": statOf(7, "a) R 1 (b", 12) };
    const all = await examineFiles({ ...seen, "proc/loadavg": "0.00 0.00 0.00 1/13 7\n" });
    expect(checkOf(all, "processes seen")).toMatchObject({ state: "ok" });
    const some = await examineFiles({ ...seen, "proc/loadavg": "0.00 0.00 0.00 1/400 7\n" });
    expect(checkOf(some, "processes seen")).toMatchObject({
      state: "limited",
      found: "1 processes with 12 threads, the kernel counts 400 threads",
    });
  });

  test("the own cgroup's limit counts, unless it is the one that is guarded", async () => {
    const files = {
      "proc/self/cgroup": "0::/build/job\n",
      "cgroup/cgroup.controllers": "cpu memory\n",
      "cgroup/build/memory.max": "104857600\n",
      "cgroup/build/job/memory.max": "max\n",
      "cgroup/build/job/cgroup.kill": "",
    };
    const found = await examineFiles(files);
    expect(checkOf(found, "own cgroup")).toMatchObject({
      state: "limited",
      found: "/build/job, limited to 100 MiB",
    });
    expect(checkOf(found, "cgroup.kill").state).toBe("ok");
    expect(checkOf(found, "cgroups").found).toContain("cgroup v2");
  });
});

test("the exit code: 5 only for an ordinary user who lacks nothing but privilege", () => {
  const ok = good("a", "", "");
  const worse = limited("b", "", "", "");
  const gone = { ...missing("c", "", "", ""), essential: true };
  const refused = { ...gone, needsRoot: true };
  expect(exitCodeOf([ok, worse, missing("d", "", "", "")], 0)).toBe(0);
  expect(exitCodeOf([ok, gone], 1000)).toBe(4);
  expect(exitCodeOf([ok, refused], 1000)).toBe(5);
  expect(exitCodeOf([refused, gone], 1000)).toBe(4);
  expect(exitCodeOf([ok, refused], 0)).toBe(4);
});
