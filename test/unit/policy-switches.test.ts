/** What the kernel command line switches off, how its text is read, and what becomes of the policy. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  applySwitches,
  describeSwitches,
  NO_SWITCHES,
  parseSwitches,
  SWITCHES,
} from "../../src/core/policy/switches.ts";
import { loadPolicy } from "../../src/main/config/load-policy.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const off = (text: string): readonly string[] => parseSwitches(text).switchedOff;

describe("plimsoll=", () => {
  test.each([
    ["", []],
    ["BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet\n", []],
    ["plimsoll=nomem", ["memory"]],
    ["quiet plimsoll=nocpu ro", ["cpu"]],
    ["plimsoll=novm,nomem", ["memory", "vm"]],
    [
      "plimsoll=nomem,nocpu,nodisk,noio,nonet,novm,noapp,nofairuse",
      ["memory", "cpu", "disk", "io", "net", "vm", "app", "fair-use"],
    ],
    ["plimsoll=nonet plimsoll=noio plimsoll=nonet", ["io", "net"]],
    ["plimsoll=off", [...SWITCHES]],
    ["plimsoll=nocpu,off", [...SWITCHES]],
    ["quiet -- plimsoll=nocpu", ["cpu"]],
    ["plimsoll", []],
    ["plimsoll.nocpu=1 xplimsoll=off plimsollx=off", []],
    ["PLIMSOLL=off plimsoll=OFF", []],
  ])("%j switches off %j", (text, expected) => {
    expect(off(text)).toEqual(expected);
  });

  test("words that mean nothing are told, each once, and switch nothing off", () => {
    expect(parseSwitches("plimsoll=nocpus,nomem,nocpus plimsoll= plimsoll")).toEqual({
      off: false,
      switchedOff: ["memory"],
      words: ["plimsoll=nomem"],
      unknown: ["plimsoll=nocpus", "plimsoll="],
    });
  });
});

describe("ork=, as ORK read it: anywhere in each value", () => {
  test.each([
    ["ork=development", [...SWITCHES]],
    ["ork=nocpu", ["cpu"]],
    ["ork=nomem ork=nonetwork", ["memory", "net"]],
    ["ork=nofairusage", ["fair-use"]],
    ["ork=nocpu|nomem", ["memory", "cpu"]],
    ["ork=nocpu,nofairusage", ["cpu", "fair-use"]],
    ["ork=xnocpuy", ["cpu"]],
    ["ork=nodisk", []],
    ["ork=nofairuse", []],
    ["network=nocpu work=development", []],
  ])("%j switches off %j", (text, expected) => {
    expect(off(text)).toEqual(expected);
  });

  test("its words and plimsoll's count together, and one that means nothing is told", () => {
    expect(parseSwitches("ork=nomem plimsoll=nodisk ork=off")).toEqual({
      off: false,
      switchedOff: ["memory", "disk"],
      words: ["ork=nomem", "plimsoll=nodisk"],
      unknown: ["ork=off"],
    });
  });
});

describe("quotes, as the kernel reads them", () => {
  test.each([
    ['plimsoll="nomem,nocpu"', ["memory", "cpu"]],
    ['"plimsoll=nomem"', ["memory"]],
    ['plimsoll="nomem, nocpu" quiet', ["memory", "cpu"]],
    ['dyndbg="file plimsoll=off +p"', []],
    ['init="/bin/x plimsoll=off" plimsoll=nocpu', ["cpu"]],
    ['"a b" plimsoll=nocpu', ["cpu"]],
    ['plimsoll="nocpu', ["cpu"]],
    ["\t plimsoll=nocpu\t\n", ["cpu"]],
  ])("%j switches off %j", (text, expected) => {
    expect(off(text)).toEqual(expected);
  });
});

describe("the policy without it", () => {
  const ork = loadPolicy({ profile: "ork" });
  const without = (text: string) => applySwitches(ork, parseSwitches(text));

  test("nothing is changed by nothing", () => {
    expect(applySwitches(ork, NO_SWITCHES)).toEqual(ork);
    expect(describeSwitches(NO_SWITCHES)).toBe(null);
  });

  test("nomem: no level, and nobody's limit is moved", () => {
    const rescuing = { ...ork, rescue: { ...ork.rescue, cgroups: ["/a"], donors: ["/b"], pause: ["/a"] } };
    const { memory, rescue, ...rest } = applySwitches(rescuing, parseSwitches("plimsoll=nomem"));
    expect(memory).toEqual({
      ...ork.memory,
      enabled: false,
      warning: null,
      critical: null,
      thrashing: null,
    });
    expect(rescue).toEqual({ ...ork.rescue, cgroups: [], donors: [], pause: [] });
    const { memory: _, rescue: __, ...others } = ork;
    expect(rest).toEqual(others);
  });

  test("nocpu is without fair use, nofairuse is fair use alone", () => {
    expect(without("plimsoll=nocpu").cpu).toEqual({ ...ork.cpu, enabled: false, fairUse: null });
    expect(without("plimsoll=nofairuse").cpu).toEqual({ ...ork.cpu, fairUse: null });
    expect(ork.cpu.fairUse).not.toBe(null);
  });

  test.each(["disk", "io", "net", "vm"] as const)("no%s switches it off, and nothing else", (resource) => {
    const policy = without(`plimsoll=no${resource}`);
    expect(policy[resource]).toEqual({ ...ork[resource], enabled: false });
    expect(policy).toEqual({ ...ork, [resource]: policy[resource] });
  });

  test("noapp: no application is looked at", () => {
    const nso = loadPolicy({ profile: "nso" });
    const policy = applySwitches(nso, parseSwitches("plimsoll=noapp"));
    expect(nso.app.enabled).toBe(true);
    expect(policy).toEqual({ ...nso, app: { ...nso.app, enabled: false } });
  });

  test("in words", () => {
    expect(describeSwitches(parseSwitches("plimsoll=nocpu ork=nonetwork"))).toBe(
      "the kernel command line (plimsoll=nocpu ork=nonetwork) switches off CPU (fair use too), network",
    );
    expect(describeSwitches(parseSwitches("ork=development"))).toBe(
      "the kernel command line (ork=development) switches off everything",
    );
  });
});

test("any text has an answer; what is off was said, in any order, however often", () => {
  const noise = fc.oneof(
    fc.string(),
    fc.constantFrom('"', "plimsoll", "=", " ", ",", "ork=", "\n", "--", "plimsoll=off", "a=b"),
  );
  fc.assert(
    fc.property(fc.array(noise, { maxLength: 20 }), (parts) => {
      const { switchedOff, words, off: all } = parseSwitches(parts.join(""));
      expect(switchedOff.length > 0).toBe(words.length > 0);
      if (all) expect(switchedOff).toEqual([...SWITCHES]);
    }),
    fuzzSettings(1000),
  );
  const words = ["nomem", "nocpu", "nodisk", "noio", "nonet", "novm", "noapp", "nofairuse"];
  const chosen = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(
      chosen,
      fc.array(fc.boolean()),
      fc.array(fc.constantFrom("quiet", "a=b", '"x y"')),
      (said, splits, rest) => {
        const text = said.reduce((all, word, index) => {
          const glue = index === 0 || splits[index] === true ? " plimsoll=" : ",";
          return `${all}${glue}${word}`;
        }, rest.join(" "));
        const expected = SWITCHES.filter((_, index) => said.includes(words[index] as string));
        expect(parseSwitches(text)).toMatchObject({ switchedOff: expected, unknown: [] });
      },
    ),
    fuzzSettings(),
  );
});
