import type { Policy } from "../../../core/policy/policy.ts";
import { RingWriter } from "../../../core/ring/writer.ts";
import type { WorkerContext } from "../../common/worker.ts";
import { CpuReader } from "./cpu-reader.ts";
import type { Announce, ResourceSampler } from "./resource-sampler.ts";

/** Samples the processors: all that is to be known is in two files, which the kernel answers at once. */
export class CpuSampler implements ResourceSampler {
  readonly #context: WorkerContext;
  readonly #writer: RingWriter;
  #reader: CpuReader | null = null;
  #intervalMs = Number.POSITIVE_INFINITY;
  #failed = false;

  /** Processors are called by their numbers: there is nothing to announce. */
  constructor(context: WorkerContext, _announce: Announce) {
    this.#context = context;
    this.#writer = new RingWriter(context.start.resourceRings.cpu);
    this.takePolicy(context.start.policy);
  }

  get intervalMs(): number {
    return this.#intervalMs;
  }

  sample(nowUs: number): void {
    const { start } = this.#context;
    this.#reader ??= new CpuReader(start.roots.proc, start.units.ticksPerSecond);
    const sampled = this.#reader.sample(this.#writer, Math.floor(nowUs));
    if (!sampled && !this.#failed)
      this.#context.log(
        "error",
        `${start.roots.proc}/stat is not as proc_stat(5) has it: CPU is not guarded`,
      );
    this.#failed = !sampled;
  }

  takePolicy({ cpu }: Policy): void {
    this.#intervalMs = cpu.enabled ? cpu.intervalMs : Number.POSITIVE_INFINITY;
    if (!cpu.enabled) this.close();
  }

  close(): void {
    this.#reader?.close();
    this.#reader = null;
  }
}
