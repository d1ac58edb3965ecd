import type { Member } from "../../core/app/groups.ts";
import type { ApplicationPolicy } from "../../core/policy/applications.ts";
import type { NamedThing } from "../../core/resources/resource.ts";
import type { WorkerContext } from "../common/worker.ts";

/** What {@link Watched} has told of. */
export type ApplicationVoice = Pick<Voice, "announce" | "mainChanged" | "severalMains" | "unreadable">;

/** What the applications' thread says to the others, and to the log. */
export class Voice {
  readonly #context: WorkerContext;

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  announce(appeared: readonly NamedThing[], gone: readonly number[]): void {
    if (appeared.length === 0 && gone.length === 0) return;
    this.#context.announce({ type: "names", resource: "app", appeared, gone });
  }

  waiting({ name, main }: ApplicationPolicy): void {
    this.#context.log("info", `waiting for application ${name}: nothing matches its group ${main} yet`);
  }

  mainChanged({ name }: ApplicationPolicy, main: Member | null, before: Member | null): void {
    if (before !== null) this.#context.log("info", `application ${name}: pid ${before.pid} has ended`);
    if (main !== null)
      this.#context.log("info", `application ${name} runs: its main process is pid ${main.pid}`);
  }

  severalMains({ name, main }: ApplicationPolicy, chosen: Member, mains: readonly Member[]): void {
    const others = mains.filter(({ pid }) => pid !== chosen.pid).map(({ pid }) => pid);
    this.#limited(
      `application ${name}: ${mains.length} processes match its main group ${main}`,
      `pid ${chosen.pid} is signalled and followed to its end, the others (${others.join(", ")}) are only measured; make the pattern narrower if they are another's`,
    );
  }

  unreadable({ name }: ApplicationPolicy, pid: number, why: string): void {
    this.#limited(`application ${name}: the memory of pid ${pid}, perhaps of others, is not known`, why);
  }

  monitorProblem(path: string, problem: string | null, lostLines: number): void {
    if (problem === null) {
      this.#context.log(
        "info",
        `monitor log ${path} is written again; ${lostLines} lines were lost meanwhile`,
      );
      return;
    }
    this.#limited(`monitor log ${path} cannot be written`, problem);
  }

  /** To the coordinator: there is nothing left to guard. */
  leave(names: readonly string[]): void {
    const reason = `application ${names.join(", ")} has ended`;
    this.#context.send("coordinator", { type: "leave", reason });
  }

  #limited(what: string, why: string): void {
    this.#context.log("warn", `${what}: ${why}`);
    this.#context.send("recorder", { type: "event", event: { event: "limited", what, why } });
  }
}
