/** What lint has to say, and what it may know. */
import type { KeyPath } from "./locate.ts";
import type { KernelSwitches } from "./switches.ts";

/** A memory cgroup that is there now. */
export interface CgroupFact {
  /** Below the hierarchy's root, such as `/machine/build`. */
  readonly path: string;
  /** Its own limit; null: it has none. */
  readonly limitBytes: number | null;
}

/** What is known of a host beyond memory. */
export interface ResourceFacts {
  /** Null: not known. */
  readonly processors: number | null;
  /** The kernel has /proc/pressure/io. */
  readonly ioPressure: boolean;
  /** Those that a default route goes by. */
  readonly defaultRouteInterfaces: readonly string[];
  /** What the kernel command line switches off. */
  readonly switches: KernelSwitches;
}

/** What a policy may be held against. All sizes in bytes. */
export interface HostFacts {
  /** Memory of the host or, where the policy has a scope, its limit; null: not known. */
  readonly totalBytes: number | null;
  readonly swapTotalBytes: number | null;
  /** The kernel has /proc/pressure/memory (Documentation/accounting/psi.rst). */
  readonly psi: boolean;
  /** The memory cgroup named by `scope` exists; true for the whole host. */
  readonly scopeExists: boolean;
  /** Of the memory controller; null: there is none. */
  readonly cgroupVersion: 1 | 2 | null;
  /** All memory cgroups but the root; those outside of the scope too. */
  readonly cgroups: readonly CgroupFact[];
  /** Null: not asked. */
  readonly resources: ResourceFacts | null;
}

export interface Finding {
  /** An error makes the policy unusable, on any host. The rest is advice; what depends on the host is never an error. */
  readonly severity: "error" | "warning" | "info";
  /** From 1, in the topmost file; null: not said there. */
  readonly line: number | null;
  readonly key: string;
  readonly expected: string;
  readonly found: string;
  /** `expected …, found …`, for people. */
  readonly message: string;
  /** What to do. */
  readonly advice: string;
}

/** Adds a finding; the line is that of `path`, unless another is given. */
export type Report = (
  severity: Finding["severity"],
  path: KeyPath,
  text: { readonly expected: string; readonly found: string; readonly advice: string },
  line?: number | null,
) => void;
