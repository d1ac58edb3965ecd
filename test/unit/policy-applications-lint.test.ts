/** What is odd about [[applications]]: each finding, and that nothing is found where nothing is odd. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compilePolicy } from "../../src/core/policy/compile.ts";
import { lintPolicy } from "../../src/core/policy/lint.ts";
import { formatProblem } from "../../src/core/policy/problem.ts";
import { parsePolicy } from "../../src/main/config/parse-policy.ts";
import { profilePath } from "../../src/main/config/profiles.ts";

function found(text: string, ...profiles: readonly string[]): string[] {
  const builtIn = ["default", ...profiles].map((name) =>
    parsePolicy(readFileSync(profilePath(name), "utf8"), name, () => 0, true),
  );
  const layers = [...builtIn, parsePolicy(text, "f.toml", () => null)].map((parsed) => {
    if (!parsed.ok) throw new Error(parsed.problems.map(formatProblem).join("\n"));
    return parsed.layer;
  });
  return lintPolicy(compilePolicy(layers), null, layers.at(-1)?.lineOf).map(
    ({ severity, line, key, message, advice }) => `${severity} ${line} ${key}: ${message}; ${advice}`,
  );
}

const GROUPS = "groups = [{ name = 'a', cmdline = '^/opt/a ' }]";
const HEAD = `[[applications]]\nname = "x"\n${GROUPS}\n`;
const critical = (ladder: string, measure = "physical"): string =>
  `${HEAD}[applications.${measure}.critical]\nladder = ${ladder}\n[memory.critical]\navailable = "2%"\n[memory.thrashing]\navailable = "2%"`;

test.each<[string, string]>([
  ["an application like any other", HEAD],
  [
    "signals in the right order",
    critical(
      "['log', { action = 'signal', signal = 'SIGUSR1' }, { action = 'wait', file = 'f' }, 'sigterm', 'sigkill']",
    ),
  ],
  [
    "signals for allocated memory in mode 2",
    critical("[{ action = 'signal', signal = 'SIGUSR1' }]", "allocated"),
  ],
  ["a dump", critical("[{ action = 'dump', run = 'd' }]")],
  ["an info ladder", `${HEAD}[applications.physical.info]\nladder = ["log"]`],
  [
    "by what is free the guard's own line is further away",
    `${HEAD}[applications.physical]\nbasis = "free"\ncritical = { ladder = ["sigterm"] }`,
  ],
])("nothing odd: %s", (_what, text) => {
  expect(found(text)).toEqual([]);
});

test.each<[string, RegExp]>([
  [
    "[[applications]]\nname = 'x'",
    /^error 1 applications\[0\]\.groups: expected at least one group of processes, found none/,
  ],
  ["[[applications]]\nname = 'x'\ngroups = []", /^error 3 applications\[0\]\.groups: /],
  [
    `${HEAD}${HEAD}`,
    /^error 5 applications\[1\]\.name: expected each application once, found a second one called "x"/,
  ],
  [
    `${HEAD}main = 'b'`,
    /^error 4 applications\[0\]\.main: expected the name of one of its groups \(a\), found "b"/,
  ],
  [
    "[[applications]]\nname = 'x'\ngroups = [{ name = 'a', cmdline = '^q' },\n{ name = 'a', cmdline = '^r' }]",
    /^error 4 .*groups\[1\]\.name: expected each group once/,
  ],
  [
    "[[applications]]\nname = 'x'\ngroups = [{ name = 'a', cmdline = '^q' },\n{ name = 'b', cmdline = '^q' }]",
    /^warning 4 .*groups\[1\]\.cmdline: expected a pattern of its own, found that of "a"/,
  ],
  [
    "[[applications]]\nname = 'x'\ngroups = [{ name = 'a', cmdline = '.*' }]",
    /^error 3 .*cmdline: .*found "\.\*", which every command line matches/,
  ],
  [
    "[[applications]]\nname = 'x'\ngroups = [{ name = 'a', cmdline = 'q|' }]",
    /^error 3 .*every command line matches/,
  ],
  [
    "[[applications]]\nname = 'x'\ngroups = [{ name = 'a', cmdline = '.' }]",
    /^error 3 .*every command line matches/,
  ],
  [
    "[[applications]]\nname = 'x'\ngroups = [{ name = 'a', cmdline = 'node ' }]",
    /^warning 3 .*expected a pattern that the guard itself does not match, found "node "/,
  ],
  [
    "[[applications]]\nname = 'x'\ngroups = [{ name = 'a', cmdline = 'plimsoll' }]",
    /^warning 3 .*the guard itself/,
  ],
  [
    "[[applications]]\nname = 'x'\ngroups = [{ name = 'a', cmdline = '^/q(a+)+$' }]",
    /^warning 3 .*cmdline: expected no repetition inside a repetition/,
  ],
  [
    "[[applications]]\nname = 'x'\ngroups = [{ name = 'a', cmdline = '^/q', member = '((a+)+)b' }]",
    /^warning 3 .*member: expected no repetition inside a repetition/,
  ],
  [
    `${HEAD}physical = false\nallocated = false`,
    /^warning 1 applications\[0\]: expected physical or allocated memory to be looked at/,
  ],
  [
    `${HEAD}[applications.physical.warning]\nused = "95%"`,
    /^error 5 .*physical\.warning\.used: expected less than that of critical \(95%\), found 95%/,
  ],
  [
    `${HEAD}[applications.allocated.critical]\nused = "80%"`,
    /^error \S+ .*allocated\.warning\.used: expected less than that of critical \(80%\), found 90%/,
  ],
  [
    `${HEAD}[applications.physical]\nhysteresis = "90%"`,
    /^error 5 .*physical\.hysteresis: expected less than where warning begins \(90%\), found 90%/,
  ],
  [
    critical("[{ action = 'command', run = 'x' }]").replace(
      "[applications.physical.critical]",
      "[applications.physical]\nacts_in = []\n[applications.physical.critical]",
    ),
    /^warning 5 .*acts_in: expected some value of vm\.overcommit_memory, found none/,
  ],
  [critical("[]"), /^warning 5 .*critical\.ladder: expected at least one step/],
  [critical("['sigkill', 'log']"), /^warning 5 .*ladder\[1\]: expected sigkill as the last step/],
  [
    critical("['log', { action = 'wait', file = 'f' }]"),
    /^warning 5 .*ladder\[1\]: expected a step before it that has the file written/,
  ],
  [
    `${HEAD}[applications.allocated]\nacts_in = [0, 1, 2]\ncritical = { ladder = ["sigterm"] }`,
    /^warning \S+ .*allocated\.critical\.ladder\[0\]: expected signals for allocated memory only under vm\.overcommit_memory = 2 .*under 0 and 1 Committed_AS/,
  ],
  [
    `${HEAD}[applications.physical.critical]\nladder = ["sigterm"]`,
    /^warning \S+ .*physical\.critical\.used: expected more left at it than memory\.critical\.available \(5%\), found 5% left; .*lower memory\.critical\.available/,
  ],
  [
    "exit_with_application = true",
    /^warning 1 exit_with_application: expected an application it is about, found no \[\[applications\]\]/,
  ],
  ["monitor_log = '/m'", /^warning 1 monitor_log: expected an application/],
  ["callbacks = { module = '/c.mjs' }", /^warning 1 callbacks\.module: expected an application/],
  [
    `scope = "/a"\n${HEAD}`,
    /^warning 2 applications: expected scope = "host", found the scope \/a; \[\[applications\]\] is about the whole host/,
  ],
])("%j", (text, expected) => {
  const all = found(text);
  expect(all.join("\n")).toMatch(new RegExp(expected.source, "m"));
  // A line that is said is one of the file.
  for (const finding of all) expect(finding).not.toMatch(/undefined|NaN/);
});

test("lines are of the file, not of the profile underneath", () => {
  const [finding] = found("dry_run = false\n[[applications]]\nname = 'nso'\nmain = 'x'", "nso");
  expect(finding).toMatch(
    /^error 4 applications\[0\]\.main: expected .*\(ncs\.smp, NcsJVMLauncher, python\), found "x"/,
  );
});
