import { libc } from "./libc.ts";

/**
 * Closes a descriptor that came from the native side: pidfd, eventfd, timerfd, pipe. Node keeps books on what it
 * opened itself, and complains about others.
 */
export function closeDescriptor(descriptor: number): void {
  libc.close([descriptor]);
}
