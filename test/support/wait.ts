import { setTimeout as pause } from "node:timers/promises";

/** On a machine that is so many times slower (an emulated one) everything is given so many times longer. */
export const PATIENCE: number = Number(process.env["PLIMSOLL_PATIENCE"] ?? 1);
/** How often is looked while something is waited for. */
const LOOK_MS = 5;

/**
 * Waits until `look` finds something: for what only shows in a file or in the kernel. Anything but null, undefined and
 * false is found.
 * @throws Error naming `what` when it is not there within `limitMs`
 */
export async function waitFor<T>(
  what: string,
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  limitMs = 10_000,
): Promise<T> {
  const deadlineMs = performance.now() + limitMs * PATIENCE;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > deadlineMs)
      throw new Error(`expected ${what} within ${limitMs * PATIENCE} ms, found nothing`);
    await pause(LOOK_MS);
  }
}

/** A promise's value, or an error that says what did not come. */
export async function within<T>(what: string, promise: Promise<T>, limitMs = 10_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`expected ${what} within ${limitMs * PATIENCE} ms`)),
      limitMs * PATIENCE,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
