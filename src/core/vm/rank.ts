import { compilePatterns } from "../cgroups/pattern.ts";
import type { VmPolicy } from "../policy/resources.ts";
import { formatBytes } from "../units.ts";
import type { VmVerb } from "./action.ts";
import { isRunning, type Machine, usedBytes } from "./machines.ts";

/** One that uses less than this of a processor makes no load worth freezing it for. */
const CORES_MIN = 0.05;

/** Names of domains against patterns (`*`, `?`) of the policy. A slash is a character like any other. */
export function namePatterns(patterns: readonly string[]): (name: string) => boolean {
  const plain = (text: string): string => `/${text.replaceAll("/", "\u0000")}`;
  const matches = compilePatterns(patterns.filter((pattern) => pattern !== "").map(plain));
  return (name) => name !== "" && matches(plain(name));
}

/** Whom the policy lets be, and who comes first. Made once a policy. */
export class VmRanking {
  readonly #never: (name: string) => boolean;
  readonly #order: readonly ((name: string) => boolean)[];

  constructor({ never, order }: Pick<VmPolicy, "never" | "order">) {
    this.#never = namePatterns(never);
    this.#order = order.map((pattern) => namePatterns([pattern]));
  }

  /** Whom to hibernate, best first: in the policy's order, then who uses most memory. */
  toHibernate(machines: Iterable<Machine>, nowUs: number): Machine[] {
    const may = (machine: Machine): boolean =>
      machine.source === "libvirt" &&
      (isRunning(machine) || machine.held === "frozen") &&
      this.#may(machine, "hibernate", nowUs);
    return this.#sorted(machines, may, usedBytes);
  }

  /** Whom to destroy: those that could not be hibernated. */
  toDestroy(machines: Iterable<Machine>, nowUs: number): Machine[] {
    const may = (machine: Machine): boolean =>
      machine.source === "libvirt" &&
      isRunning(machine) &&
      isRefused(machine, "hibernate", nowUs) &&
      this.#may(machine, "destroy", nowUs);
    return this.#sorted(machines, may, usedBytes);
  }

  /** Whom to freeze: in the policy's order, then who uses most of the processors. */
  toFreeze(machines: Iterable<Machine>, nowUs: number): Machine[] {
    const may = (machine: Machine): boolean =>
      isRunning(machine) && (machine.cores ?? 0) >= CORES_MIN && this.#may(machine, "freeze", nowUs);
    return this.#sorted(machines, may, ({ cores }) => cores ?? 0);
  }

  #may(machine: Machine, verb: VmVerb, nowUs: number): boolean {
    return !this.#never(machine.name) && !isRefused(machine, verb, nowUs);
  }

  #sorted(
    machines: Iterable<Machine>,
    may: (machine: Machine) => boolean,
    size: (machine: Machine) => number,
  ): Machine[] {
    const place = ({ name }: Machine): number => {
      const at = this.#order.findIndex((matches) => matches(name));
      return at < 0 ? this.#order.length : at;
    };
    return [...machines]
      .filter(may)
      .sort((a, b) => place(a) - place(b) || size(b) - size(a) || a.number - b.number);
  }
}

export function isRefused(machine: Machine, verb: VmVerb, nowUs: number): boolean {
  return nowUs < (machine.refused[verb] ?? Number.NEGATIVE_INFINITY);
}

/** A machine in words, by what counts for an action. */
export function describeMachine(machine: Machine, verb: VmVerb): string {
  if (verb === "freeze" || verb === "resume")
    return `${machine.name}, ${(machine.cores ?? 0).toFixed(2)} processors`;
  return `${machine.name}, ${formatBytes(machine.heldBytes ?? usedBytes(machine))}`;
}
