import {
  type DomainFigures,
  type DomainInfo,
  parseDomainInfo,
  parseDomainList,
  parseDomainStats,
} from "../../core/parse/virsh.ts";
import { DomainState } from "../../core/vm/machines.ts";
import type { Seen } from "./book.ts";
import { Virsh, type VirshAnswer } from "./virsh.ts";

/** A look is not waited for longer than this: a libvirt that needs more is as good as none. */
const LOOK_LIMIT_MS = 10_000;
const BACK_OFF_MS = 1000;
const BACK_OFF_LIMIT_MS = 60_000;
/** Drivers that keep no statistics are asked domain by domain, for so many at most. */
const INFO_MAX = 1000;

/** Libvirt's domains, by one virsh; and whether there is a libvirt. */
export class Domains {
  readonly uri: string;
  readonly #virsh: Virsh;
  readonly #onTrouble: (why: string | null) => void;
  #failures = 0;
  #retryAtMs = 0;
  #closed = false;

  /** @param onTrouble is told when libvirt cannot be reached, once, and (null) when it can again */
  constructor(uri: string, onTrouble: (why: string | null) => void) {
    this.uri = uri;
    this.#virsh = new Virsh(uri);
    this.#onTrouble = onTrouble;
  }

  /** Whether libvirt may be asked now: after a failure it is let be for a while. */
  get isReachable(): boolean {
    return !this.#closed && (this.#failures === 0 || Date.now() >= this.#retryAtMs);
  }

  /** All domains, as they are now; null: libvirt cannot be reached. */
  async look(): Promise<Omit<Seen, "held" | "heldBytes">[] | null> {
    if (!this.isReachable) return null;
    const listed = await this.#ask("list --all --uuid --name");
    if (listed === null) return null;
    const domains = parseDomainList(listed);
    const stats = await this.#stats();
    if (stats === null) return null;
    const seen: Omit<Seen, "held" | "heldBytes">[] = [];
    let infos = 0;
    for (const { uuid, name } of domains) {
      let figures = stats.get(name) ?? null;
      const unknown = figures === null || figures.memoryBytes === null || figures.cpuUs === null;
      if (unknown && figures?.state !== DomainState.shutOff && infos++ < INFO_MAX) {
        const answer = await this.#virsh.run(`dominfo ${uuid}`, LOOK_LIMIT_MS);
        // It may have been undefined meanwhile; but without virsh there is no point in asking on.
        if (!answer.ok && answer.why !== "error") return this.#lost(answer.text);
        if (answer.ok) figures = together(figures, parseDomainInfo(answer.lines));
      }
      if (figures !== null) seen.push(seenOf(uuid, name, figures));
    }
    return seen;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** What one domain is like now; null: that cannot be said. */
  async info(uuid: string): Promise<DomainInfo | null> {
    const answer = await this.#virsh.run(`dominfo ${uuid}`, LOOK_LIMIT_MS);
    return answer.ok ? parseDomainInfo(answer.lines) : null;
  }

  /** Does something to a domain. */
  async act(command: string, limitMs: number): Promise<VirshAnswer> {
    if (!this.isReachable) return { ok: false, why: "ended", text: "libvirt cannot be reached" };
    const answer = await this.#virsh.run(command, limitMs);
    if (!answer.ok && answer.why !== "error") this.#lost(answer.text, answer.why === "hung");
    return answer;
  }

  /** Ends what is under way: whoever waits for it is answered at once. */
  interrupt(): void {
    this.#virsh.close();
  }

  /** Nothing is asked any more. */
  close(): void {
    this.#closed = true;
    this.#virsh.close();
  }

  /** Domains that hang in the kernel or are busy are passed over by --nowait (libvirt 4.5); older ones do not know it. */
  async #stats(): Promise<Map<string, DomainFigures> | null> {
    const groups = "--state --cpu-total --balloon --vcpu";
    for (const options of ["--nowait ", ""]) {
      const answer = await this.#virsh.run(`domstats ${options}${groups}`, LOOK_LIMIT_MS);
      if (answer.ok) return parseDomainStats(answer.lines);
      if (answer.why !== "error") return this.#lost(answer.text);
    }
    // A driver without statistics: domains are asked one by one.
    return new Map();
  }

  async #ask(command: string): Promise<readonly string[] | null> {
    const answer = await this.#virsh.run(command, LOOK_LIMIT_MS);
    if (!answer.ok) return this.#lost(answer.text);
    if (this.#failures > 0) this.#onTrouble(null);
    this.#failures = 0;
    return answer.lines;
  }

  /** @param soon what hung may have been this one command: the connection is tried anew at once */
  #lost(why: string, soon = false): null {
    this.#virsh.close();
    if (soon) return null;
    this.#retryAtMs = Date.now() + Math.min(BACK_OFF_LIMIT_MS, BACK_OFF_MS * 2 ** this.#failures);
    if (this.#failures++ === 0 && !this.#closed) this.#onTrouble(why);
    return null;
  }
}

function seenOf(id: string, name: string, figures: DomainFigures): Omit<Seen, "held" | "heldBytes"> {
  const { memoryBytes, residentBytes, cpuUs, processors } = figures;
  const state = figures.state ?? DomainState.none;
  const off = state === DomainState.shutOff;
  // What is off uses nothing, whatever it would be given.
  return {
    source: "libvirt",
    id,
    name,
    state,
    memoryBytes: off ? null : memoryBytes,
    residentBytes: off ? null : residentBytes,
    cpuUs: off ? null : cpuUs,
    processors,
  };
}

function together(first: DomainFigures | null, second: DomainFigures): DomainFigures {
  if (first === null) return second;
  return {
    state: first.state ?? second.state,
    memoryBytes: first.memoryBytes ?? second.memoryBytes,
    residentBytes: first.residentBytes ?? second.residentBytes,
    cpuUs: first.cpuUs ?? second.cpuUs,
    processors: first.processors ?? second.processors,
  };
}
