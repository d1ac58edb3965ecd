/** plimsoll init, what it writes, and the options of run that take files. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { type Callbacks, callbackName } from "../../src/core/app/callbacks.ts";
import { APP_LEVELS, APP_MEASURES } from "../../src/core/policy/applications.ts";
import { systemdUnit } from "../../src/main/init/systemd-unit.ts";
import { BIN, testDirectory } from "../support/guard.ts";
import { need, systemdAnalyze } from "../support/needs.ts";
import { GUARD_NODE_FLAGS } from "../../src/main/cli/node-flags.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

function plimsoll(cwd: string, ...args: readonly string[]) {
  const env = { ...process.env, PLIMSOLL_RUN_DIR: path.join(cwd, "run"), XDG_STATE_HOME: cwd };
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], {
    encoding: "utf8",
    cwd,
    env,
  });
  // A user's mistake is told in words, never by a stack.
  expect(stderr).not.toMatch(/^ {4}at /m);
  return { code: status, stdout, stderr };
}

function written(directory: string): string[] {
  return fs.readdirSync(directory).toSorted();
}

describe("init", () => {
  test("writes what it is asked for, under the usual names", (context) => {
    const directory = testDirectory(context);
    const ran = plimsoll(directory, "init", "--policy", "--callbacks", "--systemd");
    expect(ran).toMatchObject({ code: 0, stdout: "" });
    expect(ran.stderr).toBe("wrote plimsoll.service\nwrote callbacks.mjs\nwrote plimsoll.toml\n");
    expect(written(directory)).toEqual(["callbacks.mjs", "plimsoll.service", "plimsoll.toml"]);
  });

  test("never writes over what is there, be it a file, a directory or a link into nothing", (context) => {
    const directory = testDirectory(context);
    fs.writeFileSync(path.join(directory, "mine.mjs"), "mine");
    fs.mkdirSync(path.join(directory, "directory"));
    fs.symlinkSync("nowhere", path.join(directory, "link"));
    for (const name of ["mine.mjs", "directory", "link"]) {
      const ran = plimsoll(directory, "init", "--callbacks", name);
      expect(ran).toMatchObject({ code: 1, stdout: "" });
      expect(ran.stderr).toBe(
        `plimsoll: ${name}: expected to write a new file, found one there already, which is left as it is; remove it, or name another file\n`,
      );
    }
    expect(fs.readFileSync(path.join(directory, "mine.mjs"), "utf8")).toBe("mine");
    expect(written(directory)).toEqual(["directory", "link", "mine.mjs"]);
  });

  test.for<[string, number, RegExp]>([
    ["init", 2, /expected --callbacks, --policy or --systemd, found none/],
    ["init --profile nso --policy", 2, /--profile: expected --systemd beside it/],
    ["init --config x --callbacks", 2, /--config: expected --systemd beside it/],
    [
      "init --systemd --profile nosuch",
      2,
      /--profile: expected one of default, erlang, go, jvm, node, nso, ork/,
    ],
    ["init --systemd --config /nosuch.toml", 3, /no such file/],
    ["init --policy /proc/x.toml", 1, /\/proc\/x\.toml: expected to write a new file, found E/],
    ["init --policy nosuch/x.toml", 1, /found ENOENT.*name a file in a directory that you may write/],
    ["init extra", 2, /too many arguments/],
  ])("%s: exit %i, and nothing is written", ([args, code, stderr], context) => {
    const directory = testDirectory(context);
    const ran = plimsoll(directory, ...args.split(" "));
    expect(ran).toMatchObject({ code, stdout: "" });
    expect(ran.stderr).toMatch(stderr);
    expect(written(directory)).toEqual([]);
  });

  test("- is stdout", (context) => {
    const directory = testDirectory(context);
    const { code, stdout, stderr } = plimsoll(directory, "init", "--callbacks", "-");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe(fs.readFileSync(path.join(ROOT, "docs/examples/callbacks.mjs"), "utf8"));
    expect(written(directory)).toEqual([]);
  });

  test("its policy is one without findings but those of this host", (context) => {
    const directory = testDirectory(context);
    plimsoll(directory, "init", "--policy");
    const commented = path.join(directory, "plimsoll.toml");
    // Also with everything that only stands there as an example.
    const text = fs.readFileSync(commented, "utf8");
    const whole = text
      .replaceAll(/^# (?=\w+ = |\[|ladder|groups)/gm, "")
      .replace("module = ", "deadline = '1s' # ");
    expect(whole).toMatch(/^\[\[applications\]\]$/m);
    fs.writeFileSync(path.join(directory, "whole.toml"), whole.replace('"5%"  ', '"2%"  '));
    for (const file of ["plimsoll.toml", "whole.toml"]) {
      const ran = plimsoll(directory, "check", file);
      expect([file, ran.code, ran.stderr]).toEqual([file, 0, ""]);
      expect(ran.stdout).not.toMatch(/^(?:error|warning): .*(?:scope|applications|victim)/m);
    }
  });
});

describe("the module of callbacks", () => {
  test("has the six functions; each takes what the guard gives, running or not", async () => {
    const module = (await import(
      pathToFileURL(path.join(ROOT, "docs/examples/callbacks.mjs")).href
    )) as Callbacks;
    const names = APP_MEASURES.flatMap((measure) => APP_LEVELS.map((level) => callbackName(measure, level)));
    expect(Object.keys(module).toSorted()).toEqual(names.toSorted());
    const bytes = {
      totalBytes: 1,
      availableBytes: 1,
      freeBytes: null,
      committedBytes: 1,
      commitLimitBytes: 1,
    };
    const own = { residentBytes: null, allocatedBytes: null };
    const sample = { timeMs: 0, usedShare: 0.96, lineShare: 0.95, ...bytes, ...own };
    const context = {
      application: "nso",
      level: "critical",
      measure: "physical",
      id: "1",
      why: "nso is large",
    } as const;
    const end = { dumpDirectory: "/d", deadlineMs: 1000 };
    for (const name of names) {
      const said: string[] = [];
      const say = (text: string): void => void said.push(text);
      // Nobody runs: crit_phy has nobody to signal.
      await module[name]?.({ info: say, warn: say, error: say }, null, null, sample, { ...context, ...end });
      expect(said.join()).toContain("nso");
    }
  });

  test("keeps to the types of the package", () => {
    const tsc = path.join(ROOT, "node_modules/typescript/bin/tsc");
    const args =
      "--ignoreConfig --noEmit --allowJs --checkJs --strict --skipLibCheck --types node --target es2023 --module nodenext";
    const example = path.join(ROOT, "docs/examples/callbacks.mjs");
    const check = (file: string) =>
      spawnSync(process.execPath, [tsc, ...args.split(" "), file], { encoding: "utf8", cwd: ROOT });
    const { status, stdout } = check(example);
    expect([stdout, status]).toEqual(["", 0]);
    // The check can fail: pid may be null.
    const wrong = path.join(ROOT, "dist/wrong.tmp.mjs");
    try {
      fs.writeFileSync(
        wrong,
        '/** @type {import("plimsoll").Callback} */\nexport const a = (_logger, pid) => void pid.toFixed();\n',
      );
      expect(check(wrong).stdout).toMatch(/'pid' is possibly 'null'/);
    } finally {
      fs.rmSync(wrong, { force: true });
    }
  });
});

describe("the unit", () => {
  test.for([
    ["--systemd", "u.service", "--profile", "nso"],
    ["--systemd", "u.service", "--config", "a policy 100%.toml"],
    ["--systemd", "u.service"],
  ])("init %s %s %s %s: systemd finds nothing wrong with it", (args, context) => {
    need(context, systemdAnalyze);
    const directory = testDirectory(context);
    fs.writeFileSync(path.join(directory, "a policy 100%.toml"), "", { mode: 0o600 });
    expect(plimsoll(directory, "init", ...args).code).toBe(0);
    const unit = path.join(directory, "u.service");
    const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", unit], {
      encoding: "utf8",
    });
    const own = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("u.service"));
    expect([status, own]).toEqual([0, []]);
    const text = fs.readFileSync(unit, "utf8");
    expect(text).toContain(`ExecStart=${process.execPath} ${GUARD_NODE_FLAGS.join(" ")} ${BIN} run`);
    // Everybody who starts a guard starts it so.
    const file = (name: string): string => fs.readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
    expect(file("src/main/cli/bin.ts")).toContain(`#!/usr/bin/env -S node ${GUARD_NODE_FLAGS.join(" ")}\n`);
    expect(file("package.json")).toContain(`node ${GUARD_NODE_FLAGS.join(" ")} dist/`);
    if (args[2] === "--config") expect(text).toContain(`run --config "${directory}/a policy 100%%.toml"\n`);
  });

  test("is started again always, but when the policy ends it with the application", (context) => {
    const directory = testDirectory(context);
    fs.writeFileSync(path.join(directory, "p.toml"), "exit_with_application = true", { mode: 0o600 });
    const unit = (...args: readonly string[]): string =>
      plimsoll(directory, "init", "--systemd", "-", ...args).stdout;
    expect(unit("--profile", "nso")).toMatch(/^Restart=always$/m);
    expect(unit("--profile", "nso", "--config", "p.toml")).toMatch(/^Restart=on-failure$/m);
  });

  test("quotes what systemd would take apart or replace", () => {
    const unit = systemdUnit({
      program: ["/a b/node", '/q"\\$x'],
      profile: null,
      config: "/c/%h.toml",
      endsByItself: false,
    });
    expect(unit).toContain('ExecStart="/a b/node" "/q\\"\\\\$$x" run --config /c/%%h.toml\n');
  });
});

describe("run with files that cannot serve", () => {
  test.for<[string, number, RegExp]>([
    [
      "--profile nso --callbacks nosuch.mjs",
      2,
      /^plimsoll: --callbacks: expected a module of callbacks .*found \/.*\/nosuch\.mjs: no such file; check the path; "plimsoll init --callbacks" writes/,
    ],
    [
      "--profile nso --callbacks directory",
      2,
      /^plimsoll: --callbacks: .*: a directory; name the file in it/,
    ],
    ["--profile nso --callbacks a.txt", 2, /a\.txt: a file that ends with \.txt; call it .*\/a\.mjs$/m],
    ["--profile nso --callbacks plain", 2, /plain: a file without an ending; call it .*\/plain\.mjs$/m],
    [
      "--profile nso --callbacks fifo.mjs",
      2,
      /fifo\.mjs: a device, pipe or socket; write the module to a file/,
    ],
    [
      "--callbacks a.mjs",
      2,
      /--callbacks: expected an application in the policy, found none; take a profile/,
    ],
    ["--exit-with-application", 2, /--exit-with-application: expected an application in the policy/],
    ["--monitor-log m.log", 2, /--monitor-log: expected an application in the policy/],
    ["--profile nso --scope /a --monitor-log m.log", 2, /--monitor-log: expected the scope host, found \/a/],
    [
      "--profile nso --monitor-log directory",
      2,
      /--monitor-log: expected a file to write to, found .*: a directory/,
    ],
    [
      "--profile nso --monitor-log nosuch/m.log",
      2,
      /--monitor-log: expected a file in a directory that exists, found .*nothing at .*\/nosuch; make it first/,
    ],
    ["--profile nso --monitor-log a.txt/m.log", 2, /--monitor-log: expected .*, found .*a\.txt/],
    ["--profile nso --callbacks", 2, /option '--callbacks <file>' argument missing/],
    [
      "--config named.toml",
      3,
      /named\.toml:2: callbacks\.module: expected a module of callbacks .*, found \/nosuch\.mjs: no such file/,
    ],
  ])("run %s: exit %i", ([args, code, stderr], context) => {
    const directory = testDirectory(context);
    fs.mkdirSync(path.join(directory, "directory"));
    for (const name of ["a.txt", "a.mjs", "plain"]) fs.writeFileSync(path.join(directory, name), "");
    spawnSync("mkfifo", [path.join(directory, "fifo.mjs")]);
    const named =
      '[callbacks]\nmodule = "/nosuch.mjs"\n[[applications]]\nname = "x"\ngroups = [{ name = "a", cmdline = "^qq" }]';
    fs.writeFileSync(path.join(directory, "named.toml"), named, { mode: 0o600 });
    // A guard that starts after all would end by itself.
    const ran = plimsoll(directory, "run", "--dry-run", "--duration", "1s", ...args.split(" "));
    expect(ran).toMatchObject({ code, stdout: "" });
    expect(ran.stderr).toMatch(stderr);
  });

  test("a module that others may write is run by nobody", (context) => {
    const directory = testDirectory(context);
    const module = path.join(directory, "open.mjs");
    fs.writeFileSync(module, "");
    fs.chmodSync(module, 0o666);
    const policy = path.join(directory, "p.toml");
    fs.writeFileSync(policy, `callbacks = { module = ${JSON.stringify(module)} }`, { mode: 0o600 });
    const refused =
      /expected a module that only root or the guard's user may write, found .*mode 666; .*chmod go-w/;
    const checked = plimsoll(directory, "check", policy, "--profile", "nso");
    expect(checked.code).toBe(3);
    expect(checked.stderr).toMatch(refused);
    const ran = plimsoll(directory, "run", "--duration", "1s", "--profile", "nso", "--callbacks", module);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(refused);
    fs.chmodSync(module, 0o644);
    expect(plimsoll(directory, "check", policy, "--profile", "nso").stdout).toContain(
      `callbacks   ${module}, 30s each\n`,
    );
  });
});

test.for(["nso", "erlang", "jvm", "node", "go"])(
  "check --profile %s: nothing wrong, and the application in words",
  (profile, context) => {
    const ran = plimsoll(testDirectory(context), "check", "--profile", profile);
    expect([ran.code, ran.stderr]).toEqual([0, ""]);
    expect(ran.stdout).toMatch(new RegExp(`^application ${profile}, every 1s`, "m"));
    expect(ran.stdout).not.toMatch(/^(?:error|warning): .*applications/m);
  },
);
