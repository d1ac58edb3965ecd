import { execFileSync } from "node:child_process";
import fs from "node:fs";
import type { TestContext } from "vitest";

/** Mounts a file system in memory of so many KiB on a new directory; it is unmounted after the test. */
export function mountSmall(context: TestContext, directory: string, sizeKiB: number): void {
  fs.mkdirSync(directory);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeKiB}k`, "plimsoll-test", directory], {
    stdio: "pipe",
  });
  // Lazily: a guard that still writes there is on its way out.
  context.onTestFinished(() => void execFileSync("umount", ["--lazy", directory], { stdio: "pipe" }));
}
