/** Whatever the text or the values: an answer, never an exception. PLIMSOLL_SEED=N plays a run again. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { expect, test } from "vitest";
import { compilePolicy } from "../../src/core/policy/compile.ts";
import { describePolicy } from "../../src/core/policy/describe.ts";
import type { PolicyLayer } from "../../src/core/policy/document.ts";
import type { HostFacts } from "../../src/core/policy/finding.ts";
import { lintPolicy } from "../../src/core/policy/lint.ts";
import { formatProblem, type PolicyProblem } from "../../src/core/policy/problem.ts";
import { parseSwitches } from "../../src/core/policy/switches.ts";
import { waitedFile } from "../../src/core/policy/wait-file.ts";
import { parsePolicy, readDocument } from "../../src/main/config/parse-policy.ts";
import { parseCalibration } from "../../src/main/config/read-calibration.ts";
import { readSignal, readWaitFile } from "../../src/main/config/read-application-values.ts";
import { profilePath } from "../../src/main/config/profiles.ts";
import { KEY_PLACES } from "../../src/main/config/schema.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const HOST: HostFacts = {
  totalBytes: 2 ** 33,
  swapTotalBytes: 0,
  psi: false,
  scopeExists: false,
  cgroupVersion: 2,
  cgroups: [
    { path: "/a", limitBytes: 2 ** 20 },
    { path: "/a/b", limitBytes: null },
  ],
  resources: {
    processors: 2,
    ioPressure: false,
    defaultRouteInterfaces: ["eth0", "a"],
    switches: parseSwitches("plimsoll=nocpu,x"),
  },
};
const DEFAULT_TEXT = readFileSync(profilePath("default"), "utf8");
const uidOf = (name: string): number | null => (name.startsWith("a") ? 5 : null);

function builtIn(): PolicyLayer {
  const parsed = parsePolicy(DEFAULT_TEXT, "built-in:default", uidOf, true);
  if (!parsed.ok) throw new Error(parsed.problems.map(formatProblem).join("\n"));
  return parsed.layer;
}
const BUILT_IN = builtIn();

function expectTold(problems: readonly PolicyProblem[], lines: number): void {
  expect(problems.length).toBeGreaterThan(0);
  for (const problem of problems) {
    expect(problem.expected).not.toBe("");
    expect(problem.found).not.toBe("");
    // zod's own words would mean a mistake nobody thought of.
    expect(formatProblem(problem)).not.toMatch(/Invalid input|undefined|\[object/);
    if (problem.line === null) continue;
    expect(problem.line).toBeGreaterThanOrEqual(1);
    expect(problem.line).toBeLessThanOrEqual(lines);
  }
}

/** Reads a text all the way; true when it is a policy. */
function play(text: string): boolean {
  const parsed = parsePolicy(text, "fuzz.toml", uidOf);
  if (!parsed.ok) {
    expectTold(parsed.problems, text.split("\n").length);
    return false;
  }
  const policy = compilePolicy([BUILT_IN, parsed.layer]);
  expect(structuredClone(policy)).toEqual(policy);
  const findings = lintPolicy(policy, HOST, parsed.layer.lineOf);
  for (const finding of findings) expect(finding.message).not.toMatch(/undefined|NaN|\[object/);
  for (const host of [null, HOST]) {
    expect(describePolicy(policy, host)).toMatch(/^policy .*\n$/s);
    expect(describePolicy(policy, host)).not.toMatch(/undefined|NaN|\[object/);
  }
  return true;
}

test("any text", () => {
  const texts = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: "binary", maxLength: 200 }));
  fc.assert(
    fc.property(texts, (text) => {
      play(text);
    }),
    { numRuns: 500 },
  );
});

test("any line noise of TOML's own signs", () => {
  const signs = [
    "[",
    "]",
    "{",
    "}",
    "=",
    ".",
    ",",
    '"',
    "'",
    '"""',
    "\n",
    "\\",
    "#",
    " ",
    "a",
    "memory",
    "1",
    "\r\n",
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...signs), { maxLength: 40 }), (parts) => {
      play(parts.join(""));
    }),
    { numRuns: 1000 },
  );
});

test.each(["default", "ork", "nso", "jvm"])(
  "the %s policy with pieces cut out, put in and exchanged",
  (profile) => {
    const whole = readFileSync(profilePath(profile), "utf8");
    const edit = fc.record({
      at: fc.nat({ max: whole.length }),
      length: fc.nat({ max: 40 }),
      put: fc.oneof(
        fc.constantFrom("", "[", "]", '"', "\n", "=", "%", "0", "-", "false", "{}"),
        fc.string({ maxLength: 8 }),
      ),
    });
    let good = 0;
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const apply = (text: string, { at, length, put }: (typeof edits)[number]): string =>
          text.slice(0, at) + put + text.slice(at + length);
        if (play(edits.reduce(apply, whole))) good += 1;
      }),
      { numRuns: 500 },
    );
    // Else only the way of errors would have been tried.
    expect(good).toBeGreaterThan(0);
  },
);

/** Values that look like a policy's: known keys, values of the right and the wrong kind. */
const likely = fc.letrec<{ value: unknown; table: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom<unknown>(
      "5%",
      "10%",
      "500MiB",
      "2s",
      "log",
      "sigkill",
      "host",
      "/a",
      "/**",
      "/a/*b?/**/c",
      "250%",
      "auto",
      "a.*",
      "alice",
      "throttle",
      "reclaim",
      "/",
      "/var/**",
      "eth*",
      "02:*",
      "retest",
      "oldest",
      "test:///default",
      "warning",
      "dump",
      "signal",
      "wait",
      "SIGUSR1",
      "=end",
      "${A:-b}/c",
      "\\.smp",
      "-i (\\S+)",
      "free",
      "main",
    ),
    fc.constantFrom<unknown>(true, false, 0, -1, 500, 0.5, "", "(", "500M", Number.MAX_SAFE_INTEGER),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("table"),
  ),
  table: fc.dictionary(fc.constantFrom(...KEY_PLACES.map(([key]) => key)), tie("value"), { maxKeys: 6 }),
})).table;

test("any values under the keys of a policy, as TOML", () => {
  fc.assert(
    fc.property(likely, (values) => {
      play(stringify(values));
    }),
    { numRuns: 1000 },
  );
});

test("any values that JSON, or a program, could hand in", () => {
  const values = fc.oneof(
    likely,
    fc.jsonValue(),
    fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true }),
  );
  fc.assert(
    fc.property(values, (value) => {
      const read = readDocument(value, "fuzz.json", uidOf, () => null);
      if (read.ok)
        expect(() => compilePolicy([BUILT_IN, { ...BUILT_IN, document: read.document }])).not.toThrow();
      else expectTold(read.problems, 1);
    }),
    { numRuns: 1000 },
  );
});

test("any JSON, or none, as a calibration: each is read or told, and what is read is in order", () => {
  const bytes = fc.oneof(fc.nat(), fc.constantFrom<unknown>(-1, 1.5, 1e300, "5", null), fc.jsonValue());
  const entry = fc.record(
    { min_consumption: bytes, median_consumption: bytes, max_consumption: bytes, p99: fc.nat() },
    { requiredKeys: [] },
  );
  const path = fc.oneof(fc.constantFrom("/", "/a", "/a/b"), fc.string());
  const text = fc.oneof(
    fc
      .dictionary(path, fc.oneof(entry, fc.jsonValue()), { maxKeys: 4 })
      .map((value) => JSON.stringify(value)),
    fc.json(),
    fc.string(),
  );
  fc.assert(
    fc.property(text, (json) => {
      const read = parseCalibration(json, "/c.json");
      if (!read.ok) {
        expect(read.refusals.length).toBeGreaterThan(0);
        for (const { expected, found } of read.refusals) {
          expect(`${expected} ${found}`).toContain("/c.json");
          expect(`${expected} ${found}`).not.toMatch(/undefined|\[object|\n/);
        }
        return;
      }
      for (const [cgroup, { minBytes, medianBytes, maxBytes }] of Object.entries(read.calibration)) {
        expect(cgroup.startsWith("/")).toBe(true);
        expect(minBytes).toBeGreaterThanOrEqual(0);
        expect(medianBytes).toBeGreaterThanOrEqual(minBytes);
        expect(maxBytes).toBeGreaterThanOrEqual(medianBytes);
      }
    }),
    { numRuns: 1000 },
  );
});

test("any file that a policy may wait for is one path, whatever the process's environment", () => {
  const pieces = fc.constantFrom(
    "${A}",
    "${B_1:-x}",
    "${C:-}",
    "/",
    "..",
    "a b",
    "$",
    "${",
    "}",
    "\\",
    "=end",
    "é",
  );
  const file = fc
    .array(fc.oneof(pieces, fc.string({ maxLength: 5 })), { maxLength: 6 })
    .map((all) => all.join(""));
  const value = fc
    .oneof(fc.constantFrom("", "/v", "$&", "${A}", "=", "v/w"), fc.string())
    .map((text) => text.replaceAll("\0", ""));
  const environment = fc.dictionary(fc.constantFrom("A", "B_1", "C", "AA"), value);
  let good = 0;
  fc.assert(
    fc.property(file, environment, (said, variables) => {
      const read = readWaitFile(said);
      if (!read.ok) {
        expect(read.expected).toMatch(/^a file's path/);
        return;
      }
      good += 1;
      const environ = Object.entries(variables).map(([name, text]) => `${name}=${text}\0`);
      const path = waitedFile(read.value, "/cwd", environ.join(""));
      if (path === null) return;
      expect(path.startsWith("/")).toBe(true);
      // What a variable holds is taken as it is, never looked into again.
      for (const [name, text] of Object.entries(variables))
        if (text !== "" && said === `\${${name}}`) expect(path.endsWith(text)).toBe(true);
    }),
    { numRuns: 2000 },
  );
  expect(good).toBeGreaterThan(0);
});

test("any value as a signal: its name, or told; never one that nobody can answer", () => {
  const values = fc.oneof(
    fc.constantFrom<unknown>("SIGUSR1", "SIGKILL", "SIGSTOP", "kill", "usr2", "SIGRTMIN", "HUP", 9),
    fc.string(),
    fc.anything(),
  );
  fc.assert(
    fc.property(values, (value) => {
      const read = readSignal(value);
      if (read.ok) {
        expect(read.value).toBe(value);
        expect(["SIGKILL", "SIGSTOP"]).not.toContain(read.value);
      } else {
        expect(`${read.expected} ${read.found}`).not.toMatch(/undefined|did you mean SIG(?:KILL|STOP)/);
      }
    }),
    { numRuns: 1000 },
  );
});
