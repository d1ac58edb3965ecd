/** How the process ends. The numbers are part of the interface: scripts and unit files rely on them. */
export const ExitCode = {
  done: 0,
  fault: 1,
  usage: 2,
  badPolicy: 3,
  unsupportedHost: 4,
  notPermitted: 5,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/**
 * An error that a user can act on: what was expected, what was found, what to do.
 * Thrown only where nobody below the command line could do better; expected failures are values.
 */
export class Fault extends Error {
  readonly code: ExitCode;

  constructor(code: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Fault";
    this.code = code;
  }
}

/** A broken invariant: the thread must die loudly, and the coordinator starts it again. */
export function invariant(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${what}`);
}
