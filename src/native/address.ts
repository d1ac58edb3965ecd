import { libc } from "./libc.ts";

/**
 * Where a buffer's bytes are, for structures of the kernel that hold pointers. The buffer must be one that stays where
 * it is: of Buffer.allocUnsafeSlow, larger than 64 bytes (smaller ones may live in V8's moving heap).
 */
export function addressOf(buffer: Buffer): bigint {
  return libc.memcpy([buffer, buffer, 0]).value as unknown as bigint;
}
