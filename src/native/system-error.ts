import os from "node:os";
import type { CallResult } from "./libc.ts";

const NAMES = new Map(Object.entries(os.constants.errno).map(([name, code]) => [code, name]));

/** A refusal by the kernel, as a value: callers decide whether it matters. */
export interface SystemError {
  readonly call: string;
  readonly errno: number;
  /** `ESRCH`, `EPERM`, …; see errno(3). */
  readonly code: string;
}

export function systemError(call: string, result: CallResult): SystemError {
  return { call, errno: result.errnoCode, code: NAMES.get(result.errnoCode) ?? `errno ${result.errnoCode}` };
}

/** For a call that can only fail when the program is wrong or the machine out of descriptors. */
export function orThrow(call: string, result: CallResult): number {
  if (result.value === -1)
    throw new Error(`${call}: ${systemError(call, result).code} (${result.errnoMessage})`);
  return result.value;
}
