import path from "node:path";
import type { NamedThing } from "../../core/resources/resource.ts";
import type { VmPolicy } from "../../core/policy/resources.ts";
import type { Lever } from "../../core/levers/lever.ts";
import { DomainState } from "../../core/vm/machines.ts";
import { monotonicUs } from "../common/clock.ts";
import type { WorkerContext } from "../common/worker.ts";
import { Levers } from "../lane/levers.ts";
import { MachineBook, type Seen } from "./book.ts";
import { Domains } from "./domains.ts";
import { HibernatedFile } from "./hibernated.ts";
import { QemuCgroups } from "./qemu-cgroups.ts";

type Unheld = Omit<Seen, "held" | "heldBytes">;

/** All machines: libvirt's and those in cgroups, looked at, and with what the guard has done to them. */
export class Machines {
  readonly levers: Levers;
  readonly hibernated: HibernatedFile;
  readonly cgroups: QemuCgroups;
  readonly #context: WorkerContext;
  readonly #book: MachineBook;
  domains: Domains;
  #seen = new Map<string, Seen>();

  constructor(context: WorkerContext) {
    const { start } = context;
    const { leversDirectory } = start;
    this.#context = context;
    this.levers = Levers.of(context, "vm");
    this.hibernated = new HibernatedFile(
      leversDirectory === null ? null : path.join(leversDirectory, "hibernated-vm"),
    );
    this.cgroups = new QemuCgroups(start.roots, start.units);
    this.#book = new MachineBook(start.resourceRings.vm, start.epoch, (appeared, gone) =>
      this.#announce(appeared, gone),
    );
    this.domains = this.#open(start.policy.vm.uri);
    this.cgroups.setPatterns(start.policy.vm.qemuCgroups);
  }

  /** Looks at all, and writes down what it saw. */
  async look(): Promise<void> {
    const domains = (await this.domains.look()) ?? [];
    const machines = [...domains, ...this.cgroups.look()].map((machine) => this.#withHeld(machine));
    this.#seen = new Map(machines.map((machine) => [machine.id, machine]));
    this.#book.write(monotonicUs(), machines);
    this.#context.board.ring();
  }

  /** As it was seen last. */
  seen(id: string): Seen | null {
    return this.#seen.get(id) ?? null;
  }

  domainLever(uuid: string): Lever {
    return { kind: "domain", uri: this.domains.uri, domain: uuid };
  }

  takePolicy({ uri, qemuCgroups }: VmPolicy): void {
    this.cgroups.setPatterns(qemuCgroups);
    this.#book.forgetAnnounced();
    if (uri === this.domains.uri && !this.domains.isClosed) return;
    this.domains.close();
    this.domains = this.#open(uri);
  }

  /** Frozen machines go on: nobody shall stand still without a living guard. Those of another libvirt too. */
  async release(): Promise<void> {
    for (const { lever } of [...this.levers.held()].reverse()) {
      const own = lever.kind === "domain" && lever.uri === this.domains.uri && this.domains.isReachable;
      await (own ? this.levers.undo(lever, () => this.#resume(lever.domain)) : this.levers.undo(lever));
    }
  }

  /** @returns why not; null: it runs */
  async #resume(uuid: string): Promise<string | null> {
    const answer = await this.domains.act(`resume ${uuid}`, 5000);
    if (answer.ok) return null;
    const state = (await this.domains.info(uuid))?.state ?? null;
    return state === null || state === DomainState.paused ? answer.text : null;
  }

  /** What the guard did to it, if that still is so: somebody else may have let it go on. */
  #withHeld(machine: Unheld): Seen {
    const { source, id, state } = machine;
    const lever = source === "cgroup" ? this.cgroups.lever(id) : this.domainLever(id);
    if (lever !== null && this.levers.isHeld(lever)) {
      if (state === DomainState.paused) return { ...machine, held: "frozen", heldBytes: null };
      this.levers.forget(lever, "left");
    }
    const hibernated = source === "cgroup" ? null : this.hibernated.get(this.domains.uri, id);
    if (hibernated !== null) {
      if (state === DomainState.shutOff)
        return { ...machine, held: "hibernated", heldBytes: hibernated.heldBytes };
      this.hibernated.remove(this.domains.uri, id);
    }
    return { ...machine, held: null, heldBytes: null };
  }

  #open(uri: string): Domains {
    return new Domains(uri, (why) => {
      if (why === null) return this.#context.log("info", `${uri} is reached again`);
      const what = `virtual machines of ${uri} are neither seen nor acted on`;
      this.#context.log("warn", `${what}: ${why}`);
      this.#context.send("recorder", { type: "event", event: { event: "limited", what, why } });
    });
  }

  #announce(appeared: readonly NamedThing[], gone: readonly number[]): void {
    this.#context.announce({ type: "names", resource: "vm", appeared, gone });
  }
}
