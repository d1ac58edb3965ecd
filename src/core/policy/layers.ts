/** How documents lie over each other. */
import { invariant } from "../fault.ts";
import type { Amount } from "./policy.ts";

export function needed<T>(value: T, key: string): NonNullable<T> {
  invariant(value !== undefined && value !== null, `the lowest layer of a policy says ${key}`);
  return value;
}

/** The tables laid over each other; a table over `false` lies on the tables underneath it. */
export function merged<T extends object>(tables: readonly (T | false | undefined)[]): T {
  const all: Partial<T> = {};
  for (const table of tables) {
    if (table === undefined || table === false) continue;
    for (const key of Object.keys(table) as (keyof T)[]) {
      if (table[key] !== undefined) all[key] = table[key];
    }
  }
  return all as T;
}

/** 1.5 times what begins the level; halfway to the whole where that would pass it, so that it can be reached. */
export function recoverDefault(available: Amount): Amount {
  if ("bytes" in available) return { bytes: Math.round(available.bytes * 1.5) };
  return { share: Math.min(available.share * 1.5, (1 + available.share) / 2) };
}
