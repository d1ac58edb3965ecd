import type { CpuCandidate } from "./choose.ts";

/** Whom a candidate is, for the record: `nginx (pid 812), 0.98 processors`. @param name null: it is gone, or not readable */
export function candidateWords(candidate: CpuCandidate, name: string | null): string {
  const { kind, pid, id, members, cores } = candidate;
  const who = `${name ?? "?"} (pid ${pid})`;
  const use = `${cores.toFixed(2)} processors`;
  switch (kind) {
    case "process":
      return `${who}, ${use}`;
    case "process-group":
      return `process group ${id} of ${who}, ${members.length} processes, ${use}`;
    case "tree":
      return `${who} and its descendants, ${members.length} processes, ${use}`;
    case "cgroup":
      return `cgroup ${id} of ${who}, ${members.length} processes, ${use}`;
  }
}
