import fs from "node:fs";
import { loadPolicy } from "../src/main/config/load-policy.ts";
import { type Effort, type Figure, type Finding, median, ratioOf, type Target } from "./figures.ts";
import { RankedWalk, type WalkFacts } from "./ranked-walk.ts";
import { buildReference, ReferenceProgram } from "./reference-program.ts";

const PROCESSES = 500;
const WALKS_A_ROUND = 10;

/** A walk over 500 processes to ranked candidates: opening every file, and with descriptors held, against C opening. */
export async function benchProcessWalk({ smoke }: Effort): Promise<Finding> {
  const rounds = smoke ? 3 : 30;
  const built = buildReference("walk");
  const crowd = buildReference("crowd");
  if (built.path === undefined || crowd.path === undefined) {
    // Without a compiler there is no crowd either: what runs is what is measured.
    const measured = await measure(null, 0, rounds);
    const evidence = [`without C: ${built.reason ?? crowd.reason}`];
    return { bench: "walk", figures: figuresOf(measured, "the processes that run"), evidence };
  }
  const existing = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).length;
  const members = ReferenceProgram.start(crowd.path, [String(Math.max(1, PROCESSES - existing - 2))]);
  await members.read();
  const reference = ReferenceProgram.start(built.path, [String(members.pid)]);
  try {
    const measured = await measure(reference, members.pid, rounds);
    const note = `to ranked candidates, CPU time; ${rounds} rounds of ${WALKS_A_ROUND} walks, in turn`;
    return { bench: "walk", figures: figuresOf(measured, note), evidence: [evidenceOf(measured)] };
  } finally {
    await reference.stop();
    await members.stop();
  }
}

interface Measured {
  readonly opening: number[];
  readonly held: number[];
  readonly theirs: number[];
  readonly facts: readonly WalkFacts[];
  readonly theirFacts: readonly number[];
}

async function measure(
  reference: ReferenceProgram | null,
  parent: number,
  rounds: number,
): Promise<Measured> {
  const policy = loadPolicy();
  const opening = new RankedWalk(policy, 0);
  const held = new RankedWalk(policy, Number.MAX_SAFE_INTEGER);
  const times = { opening: [] as number[], held: [] as number[], theirs: [] as number[] };
  let answer: readonly number[] = [];
  // The rounds below 0 are for compiling; nobody counts them.
  for (let round = -Math.ceil(rounds / 2); round < rounds; round++) {
    const openingUs = opening.cpuUs(WALKS_A_ROUND);
    if (reference !== null) answer = (await reference.ask(String(WALKS_A_ROUND))).split(" ").map(Number);
    const heldUs = held.cpuUs(WALKS_A_ROUND);
    if (round < 0) continue;
    times.opening.push(openingUs);
    times.held.push(heldUs);
    if (reference !== null) times.theirs.push(answer[0] as number);
  }
  const facts = [opening.facts(parent), held.facts(parent)];
  opening.close();
  held.close();
  return { ...times, facts, theirFacts: answer.slice(1) };
}

function figuresOf({ opening, held, theirs }: Measured, note: string): Figure[] {
  const figure = (name: string, ours: readonly number[], target: Target): Figure => ({
    name,
    unit: "µs",
    ours: median(ours),
    reference: theirs.length === 0 ? null : median(theirs),
    against: "C, opening",
    ratio: theirs.length === 0 ? null : ratioOf(ours, theirs),
    target,
    note,
  });
  return [
    figure("process walk, opening", opening, { of: "ratio", limit: 1.25, inclusive: true }),
    figure("process walk, held", held, { of: "ratio", limit: 1, inclusive: false }),
  ];
}

/** @throws Error when the two sides did not see the same of the crowd */
function evidenceOf({ facts, theirFacts }: Measured): string {
  const [processes, detailed, ...sums] = theirFacts;
  const checksum = sums.join(" ");
  for (const { candidates, children, residentPages, startTicks } of facts) {
    const own = [children, residentPages, startTicks].join(" ");
    if (own !== checksum) throw new Error(`expected of the crowd ${checksum} as in C, found ${own}`);
    if (candidates === 0) throw new Error("expected ranked candidates, found none");
  }
  return `${facts[0]?.processes} processes, ${processes} in C; ${facts[0]?.candidates} candidates named, ${detailed} looked at closely in C; the crowd's count, pages and start ticks ${checksum} on all sides`;
}
