import { App } from "../../core/app/columns.ts";
import { ApplicationMembers, type Member } from "../../core/app/groups.ts";
import type { ApplicationPolicy } from "../../core/policy/applications.ts";
import type { NamedThing } from "../../core/resources/resource.ts";
import type { RingWriter } from "../../core/ring/writer.ts";
import { closeDescriptor } from "../../native/descriptor.ts";
import { openTarget } from "../common/target.ts";
import { ProcessMemory } from "./memory-files.ts";
import type { ApplicationVoice } from "./voice.ts";

const NOT_OPEN = -1;

interface Entry {
  readonly number: number;
  readonly member: Member;
  readonly memory: ProcessMemory;
}

export interface WatchedOptions {
  readonly procRoot: string;
  readonly pageBytes: number;
  /** A number for a process that no other had. */
  readonly nextNumber: () => number;
  readonly voice: ApplicationVoice;
}

/** One application: its processes by number, what is held open of each, and the pidfd of the main one. */
export class Watched {
  readonly members: ApplicationMembers;
  readonly #options: WatchedOptions;
  readonly #entries = new Map<number, Entry>();
  #main: Member | null = null;
  #mainPidfd = NOT_OPEN;
  /** Whether it has ever run. */
  hasBegun = false;
  /** When it is sampled next. */
  dueUs: number;
  #mainsTold = "";
  #unreadableTold = false;

  constructor(policy: ApplicationPolicy, dueUs: number, options: WatchedOptions) {
    this.members = new ApplicationMembers(policy);
    this.dueUs = dueUs;
    this.#options = options;
  }

  get policy(): ApplicationPolicy {
    return this.members.policy;
  }

  /** Becomes readable when the main process ends; negative: there is none. */
  get mainPidfd(): number {
    return this.#mainPidfd;
  }

  get main(): Member | null {
    return this.#main;
  }

  /** To be called after each look: numbers who has joined, lets go of who has left, and tells. */
  sync(): void {
    const { joined, left } = this.members.takeChanges();
    const { main } = this.members;
    const changed = this.#main?.pid !== main?.pid || this.#main?.startTicks !== main?.startTicks;
    const before = this.#main;
    if (joined.length === 0 && left.length === 0 && !changed) return;
    this.#main = main;
    const gone = left.flatMap((member) => this.#leave(member));
    // One that joined and left between two looks was never there.
    const there = joined.filter((member) => this.members.isMember(member));
    const appeared = there.map((member) => this.#join(member));
    // It was a member before it became the main one.
    if (changed && main !== null && !there.some(({ pid }) => pid === main.pid)) {
      const entry = this.#entries.get(main.pid);
      if (entry !== undefined) appeared.push(this.#thingOf(entry));
    }
    this.#options.voice.announce(appeared, gone);
    if (changed) this.#takeMain(main, before);
    this.#tellMains();
  }

  /** Announces all of them again. */
  announceAgain(): void {
    const all = [...this.#entries.values()].map((entry) => this.#thingOf(entry));
    this.#options.voice.announce(all, []);
  }

  /** The main process has ended: its pidfd says so. */
  mainEnded(): void {
    if (this.#main !== null) this.members.remove(this.#main.pid);
    this.sync();
  }

  /**
   * Puts a row each into the ring.
   * @param row has the time and the host's figures
   */
  sample(row: Float64Array, ring: RingWriter): void {
    let ended = false;
    for (const entry of this.#entries.values()) {
      if (!entry.memory.read(row)) {
        this.members.remove(entry.member.pid);
        ended = true;
        continue;
      }
      row[App.process] = entry.number;
      ring.put(row);
      if (!this.#unreadableTold && Number.isNaN(row[App.residentBytes])) this.#tellUnreadable(entry);
    }
    if (ended) this.sync();
  }

  /** Lets go of all. @returns the numbers that mean nothing any more */
  close(): readonly number[] {
    this.#closePidfd();
    const numbers = [...this.#entries.values()].map(({ number }) => number);
    for (const { memory } of this.#entries.values()) memory.close();
    this.#entries.clear();
    return numbers;
  }

  #join(member: Member): NamedThing {
    const { procRoot, pageBytes, nextNumber } = this.#options;
    const memory = new ProcessMemory(procRoot, member.pid, pageBytes);
    const entry = { number: nextNumber(), member, memory };
    this.#entries.set(member.pid, entry);
    return this.#thingOf(entry);
  }

  #leave({ pid, startTicks }: Member): number[] {
    const entry = this.#entries.get(pid);
    if (entry === undefined || entry.member.startTicks !== startTicks) return [];
    entry.memory.close();
    this.#entries.delete(pid);
    return [entry.number];
  }

  #thingOf({ number, member }: Entry): NamedThing {
    const { group, label, pid, startTicks } = member;
    const application = this.policy.name;
    const isMain = this.#main?.pid === pid;
    return {
      number,
      name: `${application}/${group}${label === null ? "" : ` ${label}`}`,
      about: {
        application,
        group,
        member: label ?? "",
        pid: String(pid),
        startTicks: String(startTicks),
        role: isMain ? "main" : member.isChild ? "child" : "member",
      },
    };
  }

  #takeMain(main: Member | null, before: Member | null): void {
    this.#closePidfd();
    if (main !== null) {
      this.hasBegun = true;
      const pidfd = openTarget(this.#options.procRoot, main.pid, main.startTicks);
      // One that is gone already is found so by the next look.
      if (typeof pidfd === "number") this.#mainPidfd = pidfd;
    }
    this.#options.voice.mainChanged(this.policy, main, before);
  }

  #closePidfd(): void {
    if (this.#mainPidfd !== NOT_OPEN) closeDescriptor(this.#mainPidfd);
    this.#mainPidfd = NOT_OPEN;
  }

  #tellMains(): void {
    const { mains } = this.members;
    const told = mains.length > 1 ? mains.map(({ pid }) => pid).join() : "";
    if (told !== "" && told !== this.#mainsTold && this.#main !== null)
      this.#options.voice.severalMains(this.policy, this.#main, mains);
    this.#mainsTold = told;
  }

  #tellUnreadable({ member, memory }: Entry): void {
    const why = memory.refusal;
    if (why === null) return;
    this.#unreadableTold = true;
    this.#options.voice.unreadable(this.policy, member.pid, why);
  }
}
