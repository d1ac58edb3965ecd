import fs from "node:fs";
import type { HeldLever } from "../../../core/levers/journal.ts";
import { type CgroupLever, readLeverText } from "../../../core/levers/lever.ts";
import { type Found, found, type Hand, type PutBack, refused, textOf } from "./hand.ts";

const GONE: ReadonlySet<string> = new Set(["ENOENT", "ENODEV", "ENOTDIR"]);

/** Calls with the path of the lever's cgroup, held open, so that none can take its place. @throws ENOENT: it is gone */
function inCgroup<T>(
  procRoot: string,
  { directory, inode }: Pick<CgroupLever, "directory" | "inode">,
  work: (here: string) => T,
): T {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants;
  const descriptor = fs.openSync(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    if (fs.fstatSync(descriptor).ino !== inode)
      throw Object.assign(new Error("another cgroup is in its place"), { code: "ENOENT" });
    return work(`${procRoot}/self/fd/${descriptor}`);
  } finally {
    fs.closeSync(descriptor);
  }
}

function presentIn(here: string, { file, device }: Pick<CgroupLever, "file" | "device">): string | null {
  const name = file === "freezer.state" ? "freezer.self_freezing" : file;
  return readLeverText(file, device, fs.readFileSync(`${here}/${name}`, "utf8"));
}

/** What the lever's file says now, in the words of its value. @returns null when it cannot be read, or is not there */
export function readLever(procRoot: string, lever: Omit<CgroupLever, "value">): string | null {
  try {
    return inCgroup(procRoot, lever, (here) => presentIn(here, lever));
  } catch {
    return null;
  }
}

function write(here: string, { file, device }: CgroupLever, value: string): void {
  fs.writeFileSync(`${here}/${file}`, device === null ? value : `${device} ${value}`, { flag: "r+" });
}

export class CgroupHand implements Hand {
  readonly #procRoot: string;
  readonly #lever: CgroupLever;

  constructor(procRoot: string, lever: CgroupLever) {
    this.#procRoot = procRoot;
    this.#lever = lever;
  }

  look(): Found {
    try {
      const present = inCgroup(this.#procRoot, this.#lever, (here) => presentIn(here, this.#lever));
      return present === null
        ? refused(`${this.#lever.file} is of a form that is not known`)
        : found(present);
    } catch (error) {
      return refused(`${this.#lever.directory}/${this.#lever.file}: ${textOf(error)}`);
    }
  }

  apply(): string | null {
    const lever = this.#lever;
    try {
      inCgroup(this.#procRoot, lever, (here) => write(here, lever, lever.value));
      return null;
    } catch (error) {
      return `${lever.file} cannot be set to ${lever.value}: ${textOf(error)}`;
    }
  }

  parts(): readonly [] {
    return [];
  }

  putBack({ original, before }: HeldLever): PutBack {
    const lever = this.#lever;
    if (original === null) throw new Error("a cgroup's file had a value");
    try {
      return inCgroup(this.#procRoot, lever, (here): PutBack => {
        const present = presentIn(here, lever);
        if (present === original) return { end: "done", text: `${original} again` };
        if (present !== before && present !== lever.value)
          return { end: "left", text: `holds ${present}, which is not the guard's: left so` };
        write(here, lever, original);
        return { end: "done", text: `${original} again` };
      });
    } catch (error) {
      const why = textOf(error);
      return GONE.has(why)
        ? { end: "gone", text: "the cgroup or device is gone" }
        : { end: "waits", text: why };
    }
  }
}
