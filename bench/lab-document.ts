import type { Finding } from "./figures.ts";
import { markdownTable } from "./table.ts";
import type { AppFigures } from "./lab/app.ts";
import type { CrossingFigures } from "./lab/crossing.ts";
import type { ExhaustionFigures } from "./lab/exhaustion.ts";
import type { Judgement } from "./lab/judgement.ts";

/** What bench/lab.ts writes. */
export interface LabResults {
  readonly at: string;
  readonly host: { readonly cpus: number; readonly cpu: string; readonly node: string };
  readonly judgement: readonly Judgement[];
  readonly crossing: readonly CrossingFigures[];
  readonly exhaustion: readonly ExhaustionFigures[];
  /** Null, or left out: not measured. */
  readonly rescue?: Finding | null;
  readonly app?: AppFigures | null;
  /** What a reader must know of how the figures came together. */
  readonly notes?: readonly string[];
}

/** The sections of docs/benchmarks.md that come from the throw-away VM. */
export function labSections(lab: LabResults): string[] {
  const { at, host } = lab;
  const intro = `# In a throw-away VM

Generated from \`npm run bench:lab\`, ${at.slice(0, 10)}, ${host.cpus} x ${host.cpu}, Node ${host.node}. Its processor may be emulated: absolute
times are longer than on a real host, for every guard alike.`;
  return [
    intro,
    ...(lab.judgement.length > 0 ? [judgementSection(lab.judgement)] : []),
    ...(lab.crossing.length > 0 ? [crossingSection(lab.crossing)] : []),
    ...(lab.exhaustion.length > 0 ? [exhaustionSection(lab.exhaustion)] : []),
    ...(lab.rescue ? [rescueSection(lab.rescue)] : []),
    ...(lab.app ? [appSection(lab.app)] : []),
  ];
}

function appSection({ rounds, ...found }: AppFigures): string {
  const rows = [
    ["beside the guard", `whole in ${found.guardedWhole} of ${rounds}`, `${found.guardedOomKills}`],
    ["the kernel alone", `none in ${found.aloneNone} of ${rounds}`, `${found.aloneOomKills}`],
  ];
  return `## An application that ends with its crash dump

An Erlang VM grows until a host of 1 GiB is used up, under the profile nso (target: the dump whole in 20 of 20, where the
kernel alone leaves none in 20 of 20).

${markdownTable(["", "erl_crash.dump", "OOM kills"], rows)}`;
}

function rescueSection({ figures, evidence }: Finding): string {
  const lines = figures.map(
    ({ name, ours, unit, note }) => `- ${name}: ${ours} ${unit} (target: none of them); ${note}.`,
  );
  return `## Rescue ahead of the limit, on cgroup v2

As above on cgroup v1: memory.high is the tripwire, memory.events.local the notice. One program at a time.

${[...lines, ...evidence.map((line) => `- ${line}.`)].join("\n")}`;
}

function judgementSection(judgements: readonly Judgement[]): string {
  const guards = [...new Set(judgements.map(({ guard }) => guard))];
  const scenarios = [...new Set(judgements.map(({ scenario }) => scenario))];
  const of = (scenario: string, guard: string): Judgement | undefined =>
    judgements.find((one) => one.scenario === scenario && one.guard === guard);
  const cell = (one: Judgement | undefined): string => {
    if (one === undefined) return "not played";
    if (one.right) return "right";
    return `wrong: ${one.faults.join("; ").replaceAll("|", "/")}`;
  };
  const rows = scenarios.map((scenario) => {
    const story = judgements.find((one) => one.scenario === scenario)?.story ?? "";
    return [
      `${scenario}: ${story.replaceAll("|", "/")}`,
      ...guards.map((guard) => cell(of(scenario, guard))),
    ];
  });
  const sums = guards.map((guard) => {
    const played = judgements.filter((one) => one.guard === guard);
    return `${played.filter(({ right }) => right).length} of ${played.length}`;
  });
  return `## Who is ended

Real processes, played under each guard. Right is: the expected victim ended, no innocent touched, the kernel's OOM killer not needed.

${markdownTable(["scenario", ...guards], [...rows, ["right in all", ...sums]])}`;
}

function crossingSection(figures: readonly CrossingFigures[]): string {
  const ms = (value: number | null): string => (value === null ? "-" : value.toFixed(1));
  const rows = figures.map((one) => [
    one.guard,
    `${one.rateMibS}`,
    `${one.signalled} of ${one.programs}`,
    `${one.kernelFirst}`,
    ms(one.minMs),
    ms(one.medianMs),
    ms(one.maxMs),
  ]);
  const head = ["guard", "MiB/s", "signalled", "kernel was first", "min ms", "median ms", "max ms"];
  return `## From the line to the signal, beside earlyoom

Programs that grow in a host of 1 GiB; the line is at ${figures[0]?.linePercent} % available for both. A program that was never signalled
counts as later than any other.

${markdownTable(head, rows)}`;
}

function exhaustionSection(figures: readonly ExhaustionFigures[]): string {
  const rows = figures.map((one) => [
    one.scenario,
    one.swap ? "yes" : "no",
    one.guardWorstGapMs === null ? "not told" : one.guardWorstGapMs.toFixed(0),
    one.clockWorstGapMs.toFixed(0),
    one.guardLives ? "yes" : "no",
    one.right ? "right" : `wrong: ${one.faults.join("; ").replaceAll("|", "/")}`,
  ]);
  const head = [
    "scenario",
    "swap",
    "guard's worst gap, ms",
    "C clock's worst gap, ms",
    "guard lives",
    "judged",
  ];
  return `## A whole host driven into exhaustion

512 MiB; the worst gap between two samples of the guard's 20 ms clock (target: under 60 ms), and that of a program in C with
the same clock, its memory locked, beside it.

${markdownTable(head, rows)}`;
}
