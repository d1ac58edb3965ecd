import { libc } from "./libc.ts";
import { orThrow } from "./system-error.ts";

const CLOEXEC = 0o2000000;

/** pipe2(2), closed on exec: a child has only the ends that it is given. */
export function createPipe(): { readonly readEnd: number; readonly writeEnd: number } {
  const ends = Buffer.alloc(8);
  orThrow("pipe2", libc.pipe2([ends, CLOEXEC]));
  return { readEnd: ends.readInt32LE(0), writeEnd: ends.readInt32LE(4) };
}
