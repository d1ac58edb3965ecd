import { Space, SPACE_COLUMNS } from "../src/core/disk/columns.ts";
import type { NamedThing } from "../src/core/resources/resource.ts";
import { RESOURCE_ROWS_PER_SEGMENT, RESOURCE_SEGMENTS } from "../src/core/resources/tables.ts";
import { RingReader } from "../src/core/ring/reader.ts";
import { createRing } from "../src/core/ring/views.ts";
import { Board } from "../src/core/shared/board.ts";
import { loadPolicy } from "../src/main/config/load-policy.ts";
import { monotonicUs } from "../src/workers/common/clock.ts";
import { HOST_ROOTS } from "../src/workers/common/roots.ts";
import type { WorkerContext } from "../src/workers/common/worker.ts";
import { SpaceSampler } from "../src/workers/sampler/host/space-sampler.ts";
import { cpuUsOf, type Effort, type Figure, type Finding, median, ratioOf } from "./figures.ts";
import { buildReference, ReferenceProgram } from "./reference-program.ts";

/** Not those that tests mount and unmount meanwhile. */
const PASSING = [{ path: "/tmp/**", enabled: false, space: null, inodes: null }];

/** A look at all file systems of this host: the table of mounts, and space and inodes of each, against C that does the same. */
export async function benchSpaceSampler({ smoke }: Effort): Promise<Finding> {
  const rounds = smoke ? 4 : 60;
  const looks = smoke ? 50 : 500;
  const own = new OwnLook();
  const built = buildReference("space");
  const reference = built.path === undefined ? null : ReferenceProgram.start(built.path, own.paths);
  const ours: number[] = [];
  const theirs: number[] = [];
  let evidence = built.path === undefined ? `without C: ${built.reason}` : "";
  for (let round = -2; round < rounds; round++) {
    const ownUs = cpuUsOf(() => own.look(looks)) / looks;
    const answer = reference === null ? null : (await reference.ask(String(looks))).split(" ").map(Number);
    // Two rounds of each first, that nobody counts: code is compiled, files are in the cache.
    if (round < 0) continue;
    ours.push(ownUs);
    if (answer === null) continue;
    theirs.push(answer[0] as number);
    evidence = own.agreement(answer.slice(1));
  }
  own.close();
  await reference?.stop();
  const figure: Figure = {
    name: "space and inodes of all file systems",
    unit: "µs",
    ours: median(ours),
    reference: theirs.length === 0 ? null : median(theirs),
    against: "C",
    ratio: theirs.length === 0 ? null : ratioOf(ours, theirs),
    target: { of: "ratio", limit: 1.2, inclusive: true },
    note: `${own.paths.length} file systems of ${own.paths.join(", ")}; with lines and fill rates of each; ${rounds} rounds of ${looks} looks, in turn`,
  };
  return { bench: "space", figures: [figure], evidence: [evidence] };
}

/** The sampler as the guard runs it, on this host, without its thread. */
class OwnLook {
  readonly #things: NamedThing[] = [];
  readonly #sampler: SpaceSampler;
  readonly #reader: RingReader;
  readonly #frame = new Float64Array(SPACE_COLUMNS.length);
  readonly #totals = new Map<number, number>();

  constructor() {
    const ring = createRing({
      columns: SPACE_COLUMNS,
      rowsPerSegment: RESOURCE_ROWS_PER_SEGMENT,
      segments: RESOURCE_SEGMENTS,
    });
    const policy = loadPolicy();
    const start = {
      policy: { ...policy, disk: { ...policy.disk, enabled: true, mounts: PASSING } },
      roots: HOST_ROOTS,
      resourceRings: { disk: ring },
    };
    // What a sampler asks of its thread: the start's ring, policy and roots, and a board.
    const context = { start, board: new Board(), log: () => undefined } as unknown as WorkerContext;
    this.#reader = new RingReader(ring);
    this.#sampler = new SpaceSampler(context, (appeared) => void this.#things.push(...appeared));
    this.look(1);
  }

  get paths(): string[] {
    return this.#things.map(({ name }) => name);
  }

  look(times: number): void {
    for (let i = 0; i < times; i++) this.#sampler.sample(monotonicUs());
    while (this.#reader.next(this.#frame)) {
      this.#totals.set(this.#frame[Space.mount] as number, this.#frame[Space.totalBytes] as number);
    }
  }

  /** @throws Error when the two sides saw other sizes */
  agreement(totals: readonly number[]): string {
    // One that is unmounted while this runs is 0 there, and no longer looked at here.
    const there = this.#things.slice(0, totals.length).filter((_, i) => totals[i] !== 0);
    const own = there.map(({ number }) => this.#totals.get(number));
    const theirs = totals.filter((total) => total !== 0);
    if (own.join() !== theirs.join()) throw new Error(`we read sizes ${own.join()}, C read ${theirs.join()}`);
    return `both read the sizes ${own.join(", ")} bytes`;
  }

  close(): void {
    this.#sampler.close();
  }
}
