import type { Column } from "../ring/layout.ts";
import { columnsOf } from "../samples.ts";

/** What is sampled of file systems: one row a mount a look, by statfs(2). Null: it did not answer. */
export const Space = {
  timeUs: 0,
  /** The mount's id. */
  mount: 1,
  totalBytes: 2,
  /** Also for root; and for anybody. */
  freeBytes: 3,
  availableBytes: 4,
  /** Null on a file system that makes inodes as it needs them. */
  inodes: 5,
  freeInodes: 6,
} as const;
export const SPACE_COLUMNS: readonly Column[] = columnsOf(Space, {});
