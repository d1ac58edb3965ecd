import type { Policy } from "../../core/policy/policy.ts";
import type { ResourceReport } from "../../core/resources/report.ts";
import type { VmAction } from "../../core/vm/action.ts";
import { WorkerContext } from "../common/worker.ts";
import { Lane, type LaneWork } from "../lane/lane.ts";
import { MachineAct } from "./act.ts";
import { Machines } from "./machines.ts";

/**
 * The thread for virtual machines: it looks at them and acts on them, both by one virsh, so one after the other. Whatever
 * libvirt does or does not, nobody else waits for it.
 */
class MachineThread implements LaneWork<VmAction> {
  /** It is a sampler too: it does not end for having nothing to do. */
  readonly holds = true;
  readonly #context: WorkerContext;
  readonly #machines: Machines;
  #policy: Policy;
  /** What is under way; the next begins after it. */
  #last: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #looks = 0;
  #underWay = 0;
  #closed = false;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.#policy = context.start.policy;
    this.#machines = new Machines(context);
  }

  /** Begins to look. */
  begin(): void {
    if (this.#isWanted) this.#look();
  }

  act(action: VmAction): Promise<ResourceReport> {
    const { deadlineMs } = this.#policy.vm;
    return this.#after(() => new MachineAct(this.#context, this.#machines, action, deadlineMs).run());
  }

  prepare(): void {
    if (this.#looks === 0) this.#look();
  }

  takePolicy(policy: Policy): void {
    this.#policy = policy;
    void this.#after(async () => {
      if (!this.#isWanted) await this.#machines.release();
      this.#machines.takePolicy(policy.vm);
      if (!this.#isWanted) this.#machines.domains.close();
    });
    if (this.#isWanted) this.#look();
  }

  /** Whoever is frozen goes on. Who was hibernated stays so: the next guard starts it when there is memory for it. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    // What is under way would not end before libvirt does: with its virsh gone it ends now.
    if (this.#underWay > 0) this.#machines.domains.interrupt();
    await this.#last;
    await this.#machines.release();
    this.#machines.domains.close();
  }

  get #isWanted(): boolean {
    return this.#policy.vm.enabled || this.#context.onlyRecords;
  }

  #look(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#looks++;
    void this.#after(() => this.#machines.look()).finally(() => {
      this.#looks--;
      if (this.#timer === null && this.#isWanted && !this.#closed)
        this.#timer = setTimeout(() => this.#look(), this.#policy.vm.intervalMs);
    });
  }

  #rest(): void {
    this.#underWay--;
    this.#context.rest();
  }

  /** One after the other: there is one virsh. What throws ends the thread: it is a broken program. */
  #after<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(() => {
      if (!this.#context.alive()) process.exit();
      this.#underWay++;
      const working = work();
      // What it waits for is another process's to do: that is no hanging.
      this.#context.rest();
      return working;
    });
    this.#last = done.then(
      () => this.#rest(),
      () => undefined,
    );
    return done;
  }
}

const context = WorkerContext.current();
const thread = new MachineThread(context);
new Lane(context, thread).run();
thread.begin();
