import { APP_COLUMNS } from "../app/columns.ts";
import { CPU_COLUMNS } from "../cpu/columns.ts";
import { SPACE_COLUMNS } from "../disk/columns.ts";
import { IO_COLUMNS } from "../io/columns.ts";
import { NET_COLUMNS } from "../net/columns.ts";
import type { Column } from "../ring/layout.ts";
import { VM_COLUMNS } from "../vm/columns.ts";
import type { Resource } from "./resource.ts";

/** The columns of each resource's ring, and of its table in a dataset. */
export const RESOURCE_COLUMNS: Readonly<Record<Resource, readonly Column[]>> = {
  cpu: CPU_COLUMNS,
  disk: SPACE_COLUMNS,
  io: IO_COLUMNS,
  net: NET_COLUMNS,
  vm: VM_COLUMNS,
  app: APP_COLUMNS,
};
/** Of the guard's own rings, which are read row by row; a recording has larger ones. */
export const RESOURCE_ROWS_PER_SEGMENT = 512;
export const RESOURCE_SEGMENTS = 4;
