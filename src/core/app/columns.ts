import type { Column } from "../ring/layout.ts";
import { columnsOf } from "../samples.ts";

/** What is sampled of applications: one row a process a look; what is of the host is the same in all rows of a look. */
export const App = {
  timeUs: 0,
  /** A number of ours: {@link ../resources/resource.NamedThing}, whose `about` has application, group, pid, startTicks. */
  process: 1,
  /** VmRSS; and the sum of its private writable mappings, as pmap -d calls "writeable/private". Null: not read. */
  residentBytes: 2,
  allocatedBytes: 3,
  /** /proc/meminfo of the same look: Committed_AS, CommitLimit, MemTotal, MemAvailable, MemFree. */
  committedBytes: 4,
  commitLimitBytes: 5,
  totalBytes: 6,
  availableBytes: 7,
  freeBytes: 8,
} as const;
export const APP_COLUMNS: readonly Column[] = columnsOf(App, {});
