import type { ApplicationPolicy, GroupRule } from "../policy/applications.ts";
import { CommandPattern, isWrapperOf } from "./command-line.ts";

/** Who a process is, and whose child, as it was last looked at. */
export interface Kin {
  readonly pid: number;
  readonly startTicks: number;
  readonly ppid: number;
}

/** A process, looked at. */
export interface SeenProcess extends Kin {
  readonly argv: readonly string[];
}

/** A process that belongs to an application. */
export interface Member extends SeenProcess {
  readonly group: string;
  /** What tells it apart from others of its group; null: nothing. */
  readonly label: string | null;
  /** Its own command line says so; otherwise one of its ancestors'. */
  readonly matches: boolean;
  /** Its parent is of the same group: it is a subprocess, or a fork. */
  readonly isChild: boolean;
}

/** What has changed since it was last asked for. */
export interface MemberChanges {
  readonly joined: readonly Member[];
  readonly left: readonly Member[];
}

const NO_CHANGES: MemberChanges = { joined: [], left: [] };

interface Group {
  readonly rule: GroupRule;
  readonly pattern: CommandPattern;
  readonly member: RegExp | null;
}

/**
 * Who belongs to one application. A process is of the first group whose pattern its own command line matches, else of
 * its parent's if that group takes subprocesses; once known it stays, whoever becomes its parent afterwards.
 */
export class ApplicationMembers {
  readonly policy: ApplicationPolicy;
  readonly #groups: readonly Group[];
  readonly #members = new Map<number, Member>();
  /** Those that only started a member, by pid: their start. */
  readonly #wrappers = new Map<number, number>();
  #joined: Member[] = [];
  #left: Member[] = [];
  #main: Member | null = null;

  constructor(policy: ApplicationPolicy) {
    this.policy = policy;
    this.#groups = policy.groups.map((rule) => ({
      rule,
      pattern: new CommandPattern(rule.cmdline),
      member: rule.member === null ? null : new RegExp(rule.member, "su"),
    }));
  }

  /** The process that is signalled; it stays so while it is there. Null: the application does not run. */
  get main(): Member | null {
    return this.#main;
  }

  /** Whether it still is one, as it was when it joined. */
  isMember({ pid, startTicks, group }: Member): boolean {
    const member = this.#members.get(pid);
    return member?.startTicks === startTicks && member.group === group;
  }

  /** Processes that match the main group's pattern and are nobody's child there: there should be one. */
  get mains(): readonly Member[] {
    return this.#candidates().filter(({ isChild }) => !isChild);
  }

  /**
   * A process appeared, or is to be judged anew as it may have executed something else.
   * @param kin all processes, for the children that it already has
   */
  take(process: SeenProcess, kin: ReadonlyMap<number, Kin>): void {
    const { pid, startTicks, argv } = process;
    const known = this.#members.get(pid);
    const same = known?.startTicks === startTicks;
    if (known !== undefined && !same) this.remove(pid);
    if (this.#wrappers.get(pid) === startTicks) return;
    // It is just being executed, or is ending: it is what it was.
    if (same && argv.length === 0) return;
    const next = this.#judge(process, same ? known : undefined);
    if (next === null) return this.remove(pid);
    if (same && isSame(known, next)) return;
    if (same) this.remove(pid);
    this.#leaveWrapper(next);
    this.#join(next);
    this.#adopt(next, kin);
  }

  /** A process has ended. */
  remove(pid: number): void {
    this.#wrappers.delete(pid);
    const member = this.#members.get(pid);
    if (member === undefined) return;
    this.#members.delete(pid);
    this.#left.push(member);
    if (this.#main?.pid === pid) this.#main = null;
  }

  /** To be asked after each look: chooses the main process where there is none. */
  takeChanges(): MemberChanges {
    this.#main ??= this.#candidates()[0] ?? null;
    if (this.#joined.length === 0 && this.#left.length === 0) return NO_CHANGES;
    const changes = { joined: this.#joined, left: this.#left };
    this.#joined = [];
    this.#left = [];
    return changes;
  }

  /** Who may be the main process, the best first: nobody's child, then the oldest. */
  #candidates(): Member[] {
    return [...this.#members.values()]
      .filter(({ group, matches }) => matches && group === this.policy.main)
      .sort((a, b) => Number(a.isChild) - Number(b.isChild) || a.startTicks - b.startTicks || a.pid - b.pid);
  }

  #judge(process: SeenProcess, known: Member | undefined): Member | null {
    const parent = this.#parentOf(process);
    const line = process.argv.join(" ");
    const own = this.#groups.find(({ pattern }) => pattern.matches(process.argv));
    if (own !== undefined) {
      const isChild = parent?.group === own.rule.name && !isWrapperOf(parent.argv, process.argv);
      const label = labelOf(own, line) ?? (isChild ? parent.label : null);
      return { ...process, group: own.rule.name, label, matches: true, isChild };
    }
    if (known?.matches === false) return known;
    const above = this.#groups.find(({ rule }) => rule.name === parent?.group);
    if (parent === null || above?.rule.descendants !== true) return null;
    const label = labelOf(above, line) ?? parent.label;
    return { ...process, group: above.rule.name, label, matches: false, isChild: true };
  }

  /** Null also for one that only has its parent's number: it is younger than its child. */
  #parentOf({ ppid, startTicks }: Kin): Member | null {
    const parent = this.#members.get(ppid);
    return parent !== undefined && parent.startTicks <= startTicks ? parent : null;
  }

  #join(member: Member): void {
    this.#members.set(member.pid, member);
    this.#joined.push(member);
  }

  /** Who only started it is not meant: signals are for the one that does the work. */
  #leaveWrapper({ ppid, argv, matches }: Member): void {
    const parent = this.#members.get(ppid);
    if (!matches || parent?.matches !== true || !isWrapperOf(parent.argv, argv)) return;
    this.remove(ppid);
    this.#wrappers.set(ppid, parent.startTicks);
  }

  /** The children that a new member has already: they come with it, or are its group's forks. */
  #adopt(parent: Member, kin: ReadonlyMap<number, Kin>): void {
    const { descendants } = this.#groups.find(({ rule }) => rule.name === parent.group)?.rule ?? {};
    for (const child of kin.values()) {
      if (child.ppid !== parent.pid || child.startTicks < parent.startTicks || child.pid === parent.pid)
        continue;
      const known = this.#members.get(child.pid);
      if (known?.group === parent.group && !known.isChild) {
        this.#members.set(child.pid, { ...known, isChild: true });
      } else if (known === undefined && descendants === true && !this.#wrappers.has(child.pid)) {
        const { group, label } = parent;
        const { pid, startTicks, ppid } = child;
        const member = { pid, startTicks, ppid, argv: [], group, label, matches: false, isChild: true };
        this.#join(member);
        this.#adopt(member, kin);
      }
    }
  }
}

function labelOf({ member }: Group, line: string): string | null {
  const match = member?.exec(line);
  // The first group that took part in the match.
  return match?.slice(1).find((part) => part !== undefined) ?? null;
}

function isSame(known: Member, next: Member): boolean {
  return known.group === next.group && known.label === next.label && known.matches === next.matches;
}
