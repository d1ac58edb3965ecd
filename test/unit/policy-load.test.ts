import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ExitCode, Fault } from "../../src/core/fault.ts";
import { PolicyFault } from "../../src/core/policy/problem.ts";
import { readHostFacts } from "../../src/main/config/host-facts.ts";
import { checkPolicy, loadPolicy, type PolicyRequest } from "../../src/main/config/load-policy.ts";
import { need, notRoot } from "../support/needs.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "plimsoll-policy-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function file(name: string, text: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o644 });
  return path;
}

/** The fault that loading throws. */
function faultOf(request: PolicyRequest): Fault {
  try {
    loadPolicy(request);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("files that are no policy", () => {
  const place = (name: string): string => join(directory, name);
  test.each<[string, (path: string) => void, string]>([
    ["missing", () => {}, "found no such file; check the path"],
    ["directory", (path) => mkdirSync(path), "found a directory; name the file in it"],
    ["fifo", (path) => execFileSync("mkfifo", [path]), "found a device, pipe or socket"],
    ["circle", (path) => symlinkSync(path, path), "found symbolic links in a circle"],
    [
      "latin1",
      (path) => writeFileSync(path, Buffer.from([0x23, 0xe9])),
      "found bytes that are no UTF-8; save it as UTF-8",
    ],
    [
      "utf16",
      (path) => writeFileSync(path, Buffer.from("\uFEFFscope", "utf16le")),
      "found bytes that are no UTF-8",
    ],
    ["large", (path) => (writeFileSync(path, "#"), truncateSync(path, 10 * 2 ** 20)), "found more than 1MiB"],
  ])("%s", (name, make, expected) => {
    make(place(name));
    const fault = faultOf({ file: place(name) });
    expect(fault).toBeInstanceOf(PolicyFault);
    expect(fault.code).toBe(ExitCode.badPolicy);
    expect(fault.message).toContain(`${place(name)}: expected a policy file (TOML), ${expected}`);
  });

  test("a path through a file, and one too long", () => {
    const path = file("plain.toml", "");
    expect(faultOf({ file: join(path, "x") }).message).toContain(
      "found a path through something that is no directory",
    );
    expect(faultOf({ file: `/${"x".repeat(300)}` }).message).toContain("found a path too long");
  });

  test("one that may not be read", (context) => {
    need(context, notRoot);
    const path = file("secret.toml", "");
    chmodSync(path, 0);
    expect(faultOf({ file: path }).message).toContain("found no permission to read it");
  });

  test("a file of exactly 1 MiB is read", () => {
    expect(loadPolicy({ file: file("full.toml", `#${" ".repeat(2 ** 20 - 1)}`) }).scope).toBe("host");
    expect(faultOf({ file: file("over.toml", `#${" ".repeat(2 ** 20)}`) }).message).toContain(
      "more than 1MiB",
    );
  });
});

describe("files that are", () => {
  test("a byte order mark and CRLF are no mistake, nor do they shift lines", () => {
    const path = file("windows.toml", "\uFEFFscope = '/a'\r\n\r\n[[victim.never]]\r\nname = 'x'\r\n");
    const policy = loadPolicy({ file: path });
    expect(policy.scope).toBe("/a");
    expect(policy.victim.never.at(-1)).toMatchObject({ name: "x", line: 3 });
    expect(faultOf({ file: file("w2.toml", "\uFEFF\r\n\r\nscope = 1\r\n") }).message).toContain(
      "w2.toml:3: scope:",
    );
  });

  test("an empty one is the built-in policy under its own name", () => {
    const path = file("empty.toml", "");
    expect(loadPolicy({ file: path })).toEqual({ ...loadPolicy(), source: path });
    expect(loadPolicy().source).toBe("built-in:default");
    expect(loadPolicy({ profile: "default" })).toEqual(loadPolicy());
  });

  test("the command line counts before the file", () => {
    const path = file("both.toml", "scope = '/a'\ndry_run = true");
    expect(loadPolicy({ file: path })).toMatchObject({ scope: "/a", dryRun: true });
    const overrides = { scope: "/b/", dryRun: false };
    expect(loadPolicy({ file: path, overrides })).toMatchObject({ scope: "/b", dryRun: false });
    const none = { scope: undefined, dryRun: undefined };
    expect(loadPolicy({ file: path, overrides: none })).toMatchObject({ scope: "/a", dryRun: true });
  });

  test("users are looked up in the passwd file given, and are unknown without one", () => {
    const path = file("user.toml", "[[victim.never]]\nuser = 'alice'");
    const passwdPath = file("passwd", "alice:x:1234:1234::/:/bin/sh\n");
    expect(loadPolicy({ file: path, passwdPath }).victim.never.at(-1)?.uid).toBe(1234);
    expect(faultOf({ file: path, passwdPath: join(directory, "none") }).message).toContain(
      'user.toml:2: victim.never[0].user: expected a user of /etc/passwd, or a uid (`id -u NAME` tells it), found "alice"',
    );
  });

  test("what makes no sense on any host is refused with its line", () => {
    const fault = faultOf({ file: file("senseless.toml", "\n[memory.critical]\navailable = '20%'") });
    expect(fault.code).toBe(ExitCode.badPolicy);
    expect(fault.message).toContain("senseless.toml:3: memory.critical.available: expected less than");
  });

  test("one that others may write is used, with a warning", () => {
    const path = file("open.toml", "");
    chmodSync(path, 0o664);
    expect(checkPolicy({ file: path }).findings).toMatchObject([{ severity: "warning", line: null }]);
    chmodSync(path, 0o600);
    expect(checkPolicy({ file: path }).findings).toEqual([]);
  });
});

test("an unknown profile and a bad scope are mistakes of usage", () => {
  expect(faultOf({ profile: "defualt" })).toMatchObject({
    code: ExitCode.usage,
    message: expect.stringMatching(
      /^--profile: expected one of .*default.*, found "defualt"; did you mean default\?$/,
    ),
  });
  expect(faultOf({ profile: "../../etc/passwd" }).code).toBe(ExitCode.usage);
  expect(faultOf({ overrides: { scope: "machine" } })).toMatchObject({
    code: ExitCode.usage,
    message: '--scope: expected "host", or a memory cgroup such as "/machine/build", found "machine"',
  });
});

describe("facts of the host", () => {
  const roots = () => ({ procRoot: join(directory, "proc"), cgroupRoot: join(directory, "cgroup") });

  test("are read from the roots given, and null where there is nothing", () => {
    const noCgroups = { cgroupVersion: null, cgroups: [] };
    const resources = {
      processors: null,
      ioPressure: false,
      defaultRouteInterfaces: [],
      switches: { off: false, switchedOff: [], words: [], unknown: [] },
    };
    const alike = { scopeExists: true, ...noCgroups, resources };
    const nothing = { totalBytes: null, swapTotalBytes: null, psi: false, ...alike };
    expect(readHostFacts("host", roots())).toEqual(nothing);
    mkdirSync(join(directory, "proc/pressure"), { recursive: true });
    file("proc/meminfo", "MemTotal:        1024 kB\nMemFree: 1 kB\nSwapTotal:          0 kB\n");
    file("proc/pressure/memory", "");
    const facts = { totalBytes: 2 ** 20, swapTotalBytes: 0, psi: true, ...alike };
    expect(readHostFacts("host", roots())).toEqual(facts);
    expect(readHostFacts("/gone", roots())).toEqual({ ...facts, scopeExists: false });
  });

  test("processors, PSI of I/O, where the default routes go, and what is switched off", () => {
    mkdirSync(join(directory, "proc/pressure"), { recursive: true });
    mkdirSync(join(directory, "proc/self/net"), { recursive: true });
    file("proc/pressure/io", "");
    file("proc/stat", "cpu  1 2 3\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n");
    file("proc/cmdline", "quiet plimsoll=nocpu ork=nonetwork\n");
    const end = "\t0\t0\t0\n";
    file(
      "proc/self/net/route",
      `Iface\tDestination\tGateway\n${["eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000", "eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF", "half\t00000000\t010200C0\t0001\t0\t0\t0\t00000080"].map((line) => `${line}${end}`).join("")}`,
    );
    const zeros = "0".repeat(32);
    const route = (device: string, prefix: string): string =>
      `${zeros} ${prefix} ${zeros} 00 ${zeros} 00000400 00000002 00000000 00000003     ${device}\n`;
    file("proc/self/net/ipv6_route", `${route("wlan0", "00")}${route("eth2", "40")}${route("lo", "00")}`);
    expect(readHostFacts("host", roots()).resources).toEqual({
      processors: 2,
      ioPressure: true,
      // A route of half the addresses is none of the rest.
      defaultRouteInterfaces: ["eth0", "wlan0"],
      switches: {
        off: false,
        switchedOff: ["cpu", "net"],
        words: ["plimsoll=nocpu", "ork=nonetwork"],
        unknown: [],
      },
    });
  });

  test("the memory cgroups that are there, parents first, with their limits", () => {
    const root = join(directory, "v1");
    const make = (path: string, limit: string): void => {
      mkdirSync(join(root, "memory", path), { recursive: true });
      writeFileSync(join(root, "memory", path, "memory.limit_in_bytes"), limit);
    };
    for (const path of ["", "b", "a b", "a b/c"])
      make(path, path === "a b/c" ? "4096\n" : "9223372036854771712\n");
    writeFileSync(join(root, "memory", "memory.usage_in_bytes"), "0\n");
    expect(readHostFacts("host", { procRoot: "/no", cgroupRoot: root })).toMatchObject({
      cgroupVersion: 1,
      cgroups: [
        { path: "/a b", limitBytes: null },
        { path: "/a b/c", limitBytes: 4096 },
        { path: "/b", limitBytes: null },
      ],
    });
    const v2 = join(directory, "v2");
    mkdirSync(join(v2, "x"), { recursive: true });
    writeFileSync(join(v2, "cgroup.controllers"), "cpu memory\n");
    writeFileSync(join(v2, "x", "memory.max"), "max\n");
    const facts = readHostFacts("host", { procRoot: "/no", cgroupRoot: v2 });
    expect(facts).toMatchObject({ cgroupVersion: 2, cgroups: [{ path: "/x", limitBytes: null }] });
  });

  test.each([
    ["memory/one", "memory.limit_in_bytes", "4096", 4096],
    ["memory/two", "memory.limit_in_bytes", "9223372036854771712", 2 ** 20],
    ["three", "memory.max", "8192", 8192],
    ["four", "memory.max", "max", 2 ** 20],
  ])("the total of cgroup %s with %s %s is %d", (name, limit, text, totalBytes) => {
    mkdirSync(join(directory, "cgroup", name), { recursive: true });
    file(join("cgroup", name, "cgroup.procs"), "");
    file(join("cgroup", name, limit), `${text}\n`);
    const scope = `/${name.replace("memory/", "")}`;
    expect(readHostFacts(scope, roots())).toMatchObject({ totalBytes, scopeExists: true });
  });
});
