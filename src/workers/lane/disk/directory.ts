import fs from "node:fs";
import { closeDescriptor } from "../../../native/descriptor.ts";
import { openBeneath } from "../../../native/files.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const O_CLOEXEC = 0o2000000;
const FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

/** A directory could not be opened, or not without leaving what is listed. */
export interface Refused {
  /** `ELOOP`: a symlink; `EXDEV`: another mount; …; see errno(3). */
  readonly code: string;
}

/** Set once a kernel has said that it does not know openat2(2). */
let byComponents = false;

/**
 * A directory that is held by a descriptor: what is done to its entries is done to those of this very directory,
 * whatever its path leads to by now. Below it, no symlink is followed and no mount is entered.
 */
export class Directory {
  /** Its entries' paths begin with this: the kernel takes it for the directory itself (proc_pid_fd(5)). */
  readonly #prefix: Buffer;
  readonly #descriptor: number;
  readonly #procRoot: string;
  readonly #link: string;
  /** Closes it as it was opened. */
  readonly #close: () => void;

  private constructor(procRoot: string, descriptor: number, native: boolean) {
    this.#procRoot = procRoot;
    this.#descriptor = descriptor;
    this.#link = `${procRoot}/self/fd/${descriptor}`;
    this.#prefix = Buffer.from(`${this.#link}/`);
    this.#close = native ? () => closeDescriptor(descriptor) : () => fs.closeSync(descriptor);
  }

  /** Opens a directory by its names from the root on: mounts may lie on the way, symlinks may not. */
  static open(procRoot: string, names: readonly string[]): Directory | Refused {
    const root = new Directory(procRoot, fs.openSync("/", FLAGS), false);
    if (names.length === 0) return root;
    const opened = root.#open(
      names.map((name) => Buffer.from(name)),
      true,
    );
    root.close();
    return opened;
  }

  /** Opens what lies below it. */
  below(names: readonly Buffer[]): Directory | Refused {
    return this.#open(names, false);
  }

  /** The path of an entry, by way of the descriptor. */
  entry(name: Buffer): Buffer {
    return Buffer.concat([this.#prefix, name]);
  }

  /** To list it. */
  get link(): string {
    return this.#link;
  }

  /** Where it is now, as the kernel says it; it may have been moved. */
  get path(): Buffer {
    return fs.readlinkSync(this.#link, "buffer");
  }

  /** The device of what lies in it. */
  get device(): number {
    return fs.fstatSync(this.#descriptor).dev;
  }

  close(): void {
    this.#close();
  }

  #open(names: readonly Buffer[], crossMounts: boolean): Directory | Refused {
    if (names.length === 0) names = [Buffer.from(".")];
    if (!byComponents) {
      const opened = openBeneath(this.#descriptor, joined(names), FLAGS, crossMounts);
      if (typeof opened === "number") return new Directory(this.#procRoot, opened, true);
      if (opened.code !== "ENOSYS") return opened;
      byComponents = true;
    }
    return this.openByComponents(names, crossMounts);
  }

  /** The same one name at a time, where the kernel (before Linux 5.6, or a filter) has no openat2(2). */
  openByComponents(names: readonly Buffer[], crossMounts: boolean): Directory | Refused {
    const held: Directory[] = [];
    try {
      return this.#walk(names, crossMounts, held);
    } finally {
      for (const each of held) each.close();
    }
  }

  /** @param held those on the way: to be closed */
  #walk(names: readonly Buffer[], crossMounts: boolean, held: Directory[]): Directory | Refused {
    let mount = this.#mount;
    let entry = this.entry(names[0] as Buffer);
    for (let i = 0; ; i++) {
      let opened: Directory;
      try {
        opened = new Directory(this.#procRoot, fs.openSync(entry, FLAGS), false);
      } catch (error) {
        // What is no directory, a symlink among them.
        return { code: (error as NodeJS.ErrnoException).code ?? "EIO" };
      }
      if (!crossMounts && opened.#mount !== mount) {
        opened.close();
        return { code: "EXDEV" };
      }
      const next = names[i + 1];
      if (next === undefined) return opened;
      entry = opened.entry(next);
      mount = opened.#mount;
      held.push(opened);
    }
  }

  /** The id of the mount that it was reached by (proc_pid_fdinfo(5)): a bind mount of the same file system has another. */
  get #mount(): string | undefined {
    const text = fs.readFileSync(`${this.#procRoot}/self/fdinfo/${this.#descriptor}`, "latin1");
    return /^mnt_id:\s*(\d+)$/m.exec(text)?.[1];
  }
}

/** Names into a path. */
export function joined(names: readonly Buffer[]): Buffer {
  return Buffer.concat(names.flatMap((name, i) => (i === 0 ? [name] : [Buffer.from("/"), name])));
}
