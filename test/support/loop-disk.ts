import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { TestContext } from "vitest";
import { testDirectory } from "./guard.ts";

/** An ext4 file system of our own on a loop device: a real disk, small. */
export interface LoopDisk {
  /** Where it is mounted. */
  readonly path: string;
}

/** What {@link loopDisk} needs of the host: null when it is there, else why not. */
export const loopDisks = (): string | null => {
  const directory = fs.mkdtempSync("/tmp/plimsoll-test-need-");
  try {
    const mounted = mountImage(directory, 2, []);
    execFileSync("umount", [mounted], { stdio: "pipe" });
    return null;
  } catch (error) {
    return `needs mkfs.ext4 (e2fsprogs) and to mount a loop device: ${(error as Error).message.split("\n")[0]}`;
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
};

/** @param options of mkfs.ext4, such as how many inodes there are */
export function loopDisk(context: TestContext, sizeMiB: number, options: readonly string[] = []): LoopDisk {
  const directory = testDirectory(context);
  const mounted = mountImage(directory, sizeMiB, options);
  // Lazily: a program that still writes there is on its way out. It may be unmounted already.
  context.onTestFinished(() => void spawnSync("umount", ["--lazy", mounted]));
  return { path: mounted };
}

function mountImage(directory: string, sizeMiB: number, options: readonly string[]): string {
  const image = path.join(directory, "image");
  const mounted = path.join(directory, "disk");
  fs.writeFileSync(image, "");
  fs.truncateSync(image, sizeMiB * 2 ** 20);
  fs.mkdirSync(mounted);
  // No journal and nothing kept for root: all of it is for files, and what is freed is free at once.
  const plain = ["-q", "-F", "-m", "0", "-O", "^has_journal", ...options];
  execFileSync("mkfs.ext4", [...plain, image], { stdio: "pipe" });
  execFileSync("mount", ["-o", "loop", image, mounted], { stdio: "pipe" });
  return mounted;
}

/** Writes a file of so many KiB that was last written to so many seconds ago. */
export function agedFile(file: string, sizeKiB: number, agoSeconds: number): string {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, Buffer.alloc(sizeKiB * 1024, 7));
  const at = Date.now() / 1000 - agoSeconds;
  fs.utimesSync(file, at, at);
  return file;
}
