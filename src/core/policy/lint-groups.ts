/** What is odd about the groups of an application's processes. */
import type { ApplicationPolicy, GroupRule } from "./applications.ts";
import type { Report } from "./finding.ts";
import type { KeyPath } from "./locate.ts";
import { patternTraits } from "./pattern.ts";

export function lintGroups(path: KeyPath, { groups, main }: ApplicationPolicy, report: Report): void {
  if (groups.length === 0) {
    report("error", [...path, "groups"], {
      expected: "at least one group of processes",
      found: "none",
      advice: 'say which: [[applications.groups]] with name = "…" and cmdline = "…"',
    });
    return;
  }
  const names = groups.map(({ name }) => name);
  if (!names.includes(main)) {
    report("error", [...path, "main"], {
      expected: `the name of one of its groups (${names.join(", ")})`,
      found: JSON.stringify(main),
      advice: "it says whose process is signalled, and with whose end the application ends",
    });
  }
  groups.forEach((group, index) => {
    const own = [...path, "groups", index];
    lintTwin(own, group, groups.slice(0, index), report);
    lintPattern([...own, "cmdline"], group.cmdline, report);
    for (const key of ["cmdline", "member"] as const) lintRepeats([...own, key], group[key], report);
  });
}

function lintTwin(path: KeyPath, group: GroupRule, before: readonly GroupRule[], report: Report): void {
  if (before.some(({ name }) => name === group.name)) {
    report("error", [...path, "name"], {
      expected: "each group once",
      found: `a second one called ${JSON.stringify(group.name)}`,
      advice: "put the two together (a|b), or give one another name",
    });
  }
  const twin = before.find(({ cmdline }) => cmdline === group.cmdline);
  if (twin === undefined) return;
  report("warning", [...path, "cmdline"], {
    expected: "a pattern of its own",
    found: `that of ${JSON.stringify(twin.name)}`,
    advice: "a process is in the first group that it matches: this one stays empty; remove one",
  });
}

/** Command lines that have nothing in common. */
const UNLIKE = ["/sbin/init", "9", "Zq é _"];
/** The guard, as it is started by hand, by its package and by a unit. */
const GUARD = [
  "plimsoll run --config /etc/plimsoll.toml",
  "node /usr/lib/node_modules/plimsoll/dist/src/main/cli/bin.js run --profile nso",
  "/usr/bin/node /usr/bin/plimsoll run",
];

function lintPattern(path: KeyPath, source: string, report: Report): void {
  const pattern = new RegExp(source, "su");
  if (UNLIKE.every((text) => pattern.test(text))) {
    report("error", path, {
      expected: "a pattern that tells its processes from others",
      found: `${JSON.stringify(source)}, which every command line matches`,
      advice: "the host's own processes would be signalled; write what only its command line has",
    });
    return;
  }
  const own = GUARD.find((text) => pattern.test(text));
  if (own === undefined) return;
  report("warning", path, {
    expected: "a pattern that the guard itself does not match",
    found: `${JSON.stringify(source)}, which ${JSON.stringify(own)} matches`,
    advice:
      "the guard passes itself over; another one, and what starts it, would be taken for the application",
  });
}

function lintRepeats(path: KeyPath, source: string | null, report: Report): void {
  if (source === null || !patternTraits(source).nestedRepeat) return;
  report("warning", path, {
    expected: "no repetition inside a repetition",
    found: JSON.stringify(source),
    advice:
      "a process could choose a command line that takes this pattern for ever to refuse; repeat only once",
  });
}
