/** What the kernel log says when its OOM killer ended somebody for a cgroup's limit. */
export interface OomKill {
  /** The cgroup whose limit was met. */
  readonly cgroup: string;
  /** The cgroup that the process was in. */
  readonly processCgroup: string;
  readonly name: string;
  readonly pid: number;
}

/**
 * Reads a record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg): `priority,sequence,time,flags;text`. The text is
 * that of dump_oom_summary in mm/oom_kill.c. Names and paths may have commas in them, the keys around them do not move.
 * @returns null for any other record, and for kills that were not for a cgroup's limit
 */
export function parseOomKill(record: string): OomKill | null {
  const text = record.slice(record.indexOf(";") + 1);
  if (!text.startsWith("oom-kill:constraint=CONSTRAINT_MEMCG,")) return null;
  const match = /,oom_memcg=(\/.*),task_memcg=(\/.*),task=(.*),pid=(\d{1,10}),uid=\d+/s.exec(text);
  if (match === null) return null;
  const [, cgroup = "", processCgroup = "", name = "", pid = ""] = match;
  return { cgroup, processCgroup, name, pid: Number(pid) };
}
