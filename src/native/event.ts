import fs from "node:fs";
import { libc } from "./libc.ts";
import { orThrow } from "./system-error.ts";

const CLOEXEC = 0o2000000;
const NONBLOCK = 0o4000;

const one = Buffer.alloc(8);
one[0] = 1;
const drained = Buffer.alloc(8);

/** A descriptor that wakes whoever polls it: eventfd(2). */
export function createEvent(): number {
  return orThrow("eventfd", libc.eventfd([0, CLOEXEC | NONBLOCK]));
}

/** Wakes the waiter. */
export function raiseEvent(descriptor: number): void {
  fs.writeSync(descriptor, one, 0, 8, null);
}

/** Takes back what was raised, so that the next poll waits again. @returns whether anything was raised */
export function clearEvent(descriptor: number): boolean {
  try {
    return fs.readSync(descriptor, drained, 0, 8, null) === 8;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return false;
    throw error;
  }
}
