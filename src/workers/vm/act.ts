import { setTimeout as pause } from "node:timers/promises";
import type { ActionStep } from "../../core/messages.ts";
import type { ResourceOutcome, ResourceReport } from "../../core/resources/report.ts";
import type { Figures } from "../../core/resources/resource.ts";
import { Gauge } from "../../core/shared/board.ts";
import { formatDuration } from "../../core/units.ts";
import type { VmAction } from "../../core/vm/action.ts";
import { DomainState } from "../../core/vm/machines.ts";
import { monotonicUs, overNow } from "../common/clock.ts";
import type { WorkerContext } from "../common/worker.ts";
import type { Machines } from "./machines.ts";

/** How long a sample of memory is waited for that shows what was brought back. */
const SAMPLE_WAIT_MS = 500;
const SAMPLE_LOOK_MS = 10;
/** To tell libvirt to give up what it did not do in time. */
const ABORT_LIMIT_MS = 5000;

/** One thing done to one machine, from the order to the report. */
export class MachineAct {
  readonly #context: WorkerContext;
  readonly #machines: Machines;
  readonly #action: VmAction;
  readonly #deadlineMs: number;
  readonly #steps: ActionStep[] = [];

  constructor(context: WorkerContext, machines: Machines, action: VmAction, deadlineMs: number) {
    this.#context = context;
    this.#machines = machines;
    this.#action = action;
    this.#deadlineMs = deadlineMs;
  }

  async run(): Promise<ResourceReport> {
    const before = this.#figures();
    if (this.#action.dryRun) {
      this.#step(
        `would ${this.#action.kind} ${this.#action.subject}`,
        monotonicUs(),
        "a dry run: nothing done",
      );
      return this.#report("dry-run", before, before);
    }
    const outcome = await this.#do();
    const doneUs = monotonicUs();
    await this.#machines.look();
    if (outcome === "done") await this.#nextSample(doneUs);
    return this.#report(outcome, before, this.#figures());
  }

  async #do(): Promise<ResourceOutcome> {
    const { kind, machine } = this.#action;
    if (machine.source === "cgroup") return this.#onCgroup(machine.id);
    switch (kind) {
      case "freeze":
        return this.#freeze(machine.id);
      case "hibernate":
        return this.#hibernate(machine.id);
      case "resume":
        return this.#resume(machine.id);
      case "start":
        return this.#start(machine.id);
      case "destroy":
        return (await this.#virsh("destroy", machine.id)) === null ? "done" : "failed";
    }
  }

  async #onCgroup(cgroup: string): Promise<ResourceOutcome> {
    const { levers, cgroups } = this.#machines;
    const lever = cgroups.lever(cgroup);
    const atUs = monotonicUs();
    if (lever === null) return this.#step(`freezer of ${cgroup}`, atUs, "it is gone", "gone");
    if (this.#action.kind === "freeze") {
      const refusal = await levers.impose(lever);
      return this.#step(
        `${lever.file} ${lever.value}`,
        atUs,
        refusal ?? "ok",
        refusal === null ? "done" : "failed",
      );
    }
    const { end, text } = await levers.undo(lever);
    return this.#step(`${lever.file} as before`, atUs, text, end === "waits" ? "failed" : "released");
  }

  async #freeze(uuid: string): Promise<ResourceOutcome> {
    const { levers } = this.#machines;
    const atUs = monotonicUs();
    const steps = this.#steps.length;
    const refusal = await levers.impose(this.#machines.domainLever(uuid), () =>
      this.#virsh("suspend", uuid, DomainState.paused),
    );
    // What libvirt said is a step already.
    if (refusal !== null && this.#steps.length === steps) this.#step("journal", atUs, refusal);
    return refusal === null ? "done" : "failed";
  }

  async #resume(uuid: string): Promise<ResourceOutcome> {
    const lever = this.#machines.domainLever(uuid);
    const { end } = await this.#machines.levers.undo(lever, () =>
      this.#virsh("resume", uuid, DomainState.running),
    );
    return end === "waits" ? "failed" : "released";
  }

  async #hibernate(uuid: string): Promise<ResourceOutcome> {
    const { hibernated, domains, levers } = this.#machines;
    const seen = this.#machines.seen(uuid);
    const atUs = monotonicUs();
    try {
      const heldBytes = seen?.residentBytes ?? seen?.memoryBytes ?? null;
      hibernated.add({ uri: domains.uri, uuid, heldBytes });
    } catch (error) {
      return this.#step("note", atUs, `not written down, so not done: ${(error as Error).message}`, "failed");
    }
    // Also of one that the guard had suspended: it is to run when it is started.
    const refusal = await this.#virsh("managedsave --running", uuid, DomainState.shutOff);
    if (refusal !== null) {
      hibernated.remove(domains.uri, uuid);
      return "failed";
    }
    levers.forget(this.#machines.domainLever(uuid), "gone");
    return "done";
  }

  async #start(uuid: string): Promise<ResourceOutcome> {
    const { hibernated, domains } = this.#machines;
    const info = await domains.info(uuid);
    if (info !== null && (info.state !== DomainState.shutOff || info.managedSave === false)) {
      // Somebody has started it, or has thrown its memory away: it is theirs now.
      hibernated.remove(domains.uri, uuid);
      return this.#step("start", monotonicUs(), "it is not hibernated any more: left so", "recovered");
    }
    const refusal = await this.#virsh("start", uuid, DomainState.running);
    if (refusal !== null) return "failed";
    hibernated.remove(domains.uri, uuid);
    return "released";
  }

  /**
   * Has libvirt do it, within the deadline.
   * @param wanted the state that says it is done, whatever was answered
   * @returns why not; null: it is done
   */
  async #virsh(command: string, uuid: string, wanted: number = DomainState.shutOff): Promise<string | null> {
    const { domains } = this.#machines;
    const atUs = monotonicUs();
    const answer = await domains.act(`${command} ${uuid}`, this.#deadlineMs);
    if (answer.ok) {
      this.#step(`virsh ${command}`, atUs, "ok");
      return null;
    }
    this.#step(`virsh ${command}`, atUs, answer.text);
    if (answer.why === "error") return answer.text;
    // Libvirt may go on with it on its own: it is to give it up, and what is so now counts.
    const abortUs = monotonicUs();
    const aborted = await domains.act(`domjobabort ${uuid}`, ABORT_LIMIT_MS);
    const state = aborted.ok || aborted.why === "error" ? ((await domains.info(uuid))?.state ?? null) : null;
    this.#step("virsh domjobabort", abortUs, aborted.ok ? "ok" : aborted.text);
    return state === wanted ? null : answer.text;
  }

  #step<T>(what: string, beganUs: number, result: string, outcome?: T): T {
    const afterMs = (beganUs - this.#action.atUs) / 1000;
    this.#steps.push({ what, afterMs, tookMs: (monotonicUs() - beganUs) / 1000, result });
    return outcome as T;
  }

  #figures(): Figures {
    const seen = this.#machines.seen(this.#action.machine.id);
    const availableBytes = this.#context.board.gauge(Gauge.availableBytes);
    return {
      availableBytes: Number.isFinite(availableBytes) ? availableBytes : null,
      memoryBytes: seen?.memoryBytes ?? null,
      residentBytes: seen?.residentBytes ?? null,
      state: seen?.state ?? null,
    };
  }

  /** What was brought back shows in the next sample of memory. */
  async #nextSample(sinceUs: number): Promise<void> {
    const { board } = this.#context;
    for (let waitedMs = 0; waitedMs < SAMPLE_WAIT_MS; waitedMs += SAMPLE_LOOK_MS) {
      if (board.gauge(Gauge.timeUs) > sinceUs) return;
      await pause(SAMPLE_LOOK_MS);
    }
  }

  #report(outcome: ResourceOutcome, before: Figures, after: Figures): ResourceReport {
    const { id, kind, subject, why, dryRun, candidates } = this.#action;
    const over = overNow(this.#action.atUs);
    const text =
      outcome === "failed"
        ? `${kind} ${subject} failed after ${formatDuration(Math.round(over.tookMs))}`
        : null;
    if (text !== null) this.#context.log("warn", `${text}: ${this.#steps.at(-1)?.result ?? ""}`);
    return {
      id,
      resource: "vm",
      subject,
      verb: kind,
      target: subject,
      victims: [],
      outcome,
      why,
      before,
      after,
      steps: this.#steps,
      candidates,
      ...over,
      dryRun,
    };
  }
}
