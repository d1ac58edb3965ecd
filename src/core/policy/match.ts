import { compilePattern } from "./pattern.ts";
import type { ProcessRule, VictimPolicy } from "./policy.ts";

/** What a rule may look at. Null is absent, and matches no rule that asks for it. */
export interface RuleSubject {
  readonly name: string;
  readonly exe: string | null;
  readonly cmdline: string | null;
  readonly cgroup: string | null;
  readonly uid: number | null;
}

interface CompiledRule {
  readonly name: RegExp | null;
  readonly exe: RegExp | null;
  readonly cmdline: RegExp | null;
  readonly cgroup: RegExp | null;
  readonly uid: number | null;
  readonly descendants: boolean;
}

/** What the rules say of one process. */
export interface RuleVerdict {
  /** +1 preferred, -1 avoided, 0 neither; prefer wins over avoid. */
  readonly preference: number;
  readonly never: boolean;
  /** Both hold for its descendants too. */
  readonly preferenceInherits: boolean;
  readonly neverInherits: boolean;
}

function whole(source: string | null): RegExp | null {
  return source === null ? null : compilePattern(source);
}

function compile(rule: ProcessRule): CompiledRule {
  return {
    name: whole(rule.name),
    exe: whole(rule.exe),
    cmdline: whole(rule.cmdline),
    cgroup: whole(rule.cgroup),
    uid: rule.uid,
    descendants: rule.descendants,
  };
}

function matches(rule: CompiledRule, subject: RuleSubject): boolean {
  const part = (pattern: RegExp | null, value: string | null): boolean =>
    pattern === null || (value !== null && pattern.test(value));
  return (
    (rule.uid === null || rule.uid === subject.uid) &&
    part(rule.name, subject.name) &&
    part(rule.exe, subject.exe) &&
    part(rule.cmdline, subject.cmdline) &&
    part(rule.cgroup, subject.cgroup)
  );
}

/** The policy's prefer, avoid and never, ready to be asked about processes. */
export class ProcessRules {
  readonly #prefer: readonly CompiledRule[];
  readonly #avoid: readonly CompiledRule[];
  readonly #never: readonly CompiledRule[];
  /** Those that ask for more than the name. */
  readonly #further: readonly CompiledRule[];
  /** Which parts any rule asks for: what nobody asks for need not be read. */
  readonly asks: {
    readonly exe: boolean;
    readonly cmdline: boolean;
    readonly cgroup: boolean;
    readonly uid: boolean;
  };

  constructor(policy: VictimPolicy) {
    this.#prefer = policy.prefer.map(compile);
    this.#avoid = policy.avoid.map(compile);
    this.#never = policy.never.map(compile);
    const all = [...this.#prefer, ...this.#avoid, ...this.#never];
    this.#further = all.filter(({ exe, cmdline, cgroup, uid }) => exe ?? cmdline ?? cgroup ?? uid);
    this.asks = {
      exe: all.some((rule) => rule.exe !== null),
      cmdline: all.some((rule) => rule.cmdline !== null),
      cgroup: all.some((rule) => rule.cgroup !== null),
      uid: all.some((rule) => rule.uid !== null),
    };
  }

  /** Whether more than its name must be known of a process to judge it: some rule that its name fits asks for more. */
  asksMoreOf(name: string): boolean {
    return this.#further.some((rule) => rule.name === null || rule.name.test(name));
  }

  judge(subject: RuleSubject): RuleVerdict {
    const never = this.#never.filter((rule) => matches(rule, subject));
    const preferred = this.#prefer.filter((rule) => matches(rule, subject));
    const avoided = preferred.length > 0 ? [] : this.#avoid.filter((rule) => matches(rule, subject));
    return {
      preference: preferred.length > 0 ? 1 : avoided.length > 0 ? -1 : 0,
      never: never.length > 0,
      preferenceInherits: [...preferred, ...avoided].some((rule) => rule.descendants),
      neverInherits: never.some((rule) => rule.descendants),
    };
  }
}
