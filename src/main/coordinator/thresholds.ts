import { constants } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";

/**
 * Registers usage thresholds of a cgroup v1 with the kernel, which waits for a grace period each time (16 to 24 ms
 * measured): from this thread's pool, one after the other, so that nobody who is in a hurry waits with it.
 * @param directory the cgroup's
 * @param descriptor the eventfd to be told
 * @returns the kernel's refusal; null when all are registered, and also when the cgroup has gone in between
 */
export async function registerThresholds(
  directory: string,
  descriptor: number,
  thresholdsBytes: readonly number[],
): Promise<string | null> {
  let usage: fs.FileHandle | null = null;
  let control: fs.FileHandle | null = null;
  try {
    usage = await fs.open(path.join(directory, "memory.usage_in_bytes"), "r");
    control = await fs.open(path.join(directory, "cgroup.event_control"), constants.O_WRONLY);
    for (const bytes of thresholdsBytes) await control.write(`${descriptor} ${usage.fd} ${bytes}`);
    return null;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENODEV" || code === "EBADF" ? null : message;
  } finally {
    await usage?.close();
    await control?.close();
  }
}
