import type { AppAction } from "../app/action.ts";
import type { CpuAction } from "../cpu/action.ts";
import type { DiskAction } from "../disk/action.ts";
import type { IoAction } from "../io/action.ts";
import type { NetAction } from "../net/action.ts";
import type { VmAction } from "../vm/action.ts";

/** What a lane is told to do. */
export type ResourceAction = CpuAction | DiskAction | IoAction | NetAction | VmAction | AppAction;
