import fs from "node:fs";
import path from "node:path";

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = fs.constants;
/** The dumps that the guard had made, by name and inode: nothing else in the directory is ever removed. */
const BOOK = ".plimsoll-dumps.json";
const BOOK_BYTES_MAX = 1024 * 1024;
const BLOCK_BYTES = 512;
/** Dumps may be directories; deeper than this nobody looks. */
const DEPTH_MAX = 16;

/** A dump of the guard's. */
interface OwnDump {
  readonly name: string;
  readonly inode: string;
}

/**
 * The directory where an application's dumps go: held open, so that what is done to its entries is done to those of this
 * very directory. Dumps are called NAME-LEVEL-NUMBER.
 */
export class DumpDirectory {
  readonly path: string;
  readonly #descriptor: number;
  readonly #link: string;

  private constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#link = `/proc/self/fd/${descriptor}`;
  }

  /**
   * Opens it; makes it, for its owner alone, where it is not there.
   * @param owners who it may belong to besides root and the guard: whose process writes there itself
   * @returns why it is not taken
   */
  static open(wanted: string, owners: readonly number[]): DumpDirectory | string {
    try {
      fs.mkdirSync(wanted, { recursive: true, mode: 0o700 });
      const descriptor = fs.openSync(wanted, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      const { uid, mode } = fs.fstatSync(descriptor);
      const right = [0, process.geteuid?.() ?? 0, ...owners].includes(uid) && (mode & 0o022) === 0;
      if (right) return new DumpDirectory(wanted, descriptor);
      fs.closeSync(descriptor);
      const found = `uid ${uid}, mode ${(mode & 0o7777).toString(8)}`;
      return `expected ${wanted} to be of root's or the application's user, written by nobody else; found ${found}; chown and chmod it, or set dump_directory`;
    } catch (error) {
      return `${wanted} cannot be opened: ${(error as Error).message}; make it, or set dump_directory`;
    }
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }

  /** The first number of which nothing is called yet, above all that are. */
  nextNumber(stem: string): number {
    let highest = 0;
    for (const name of fs.readdirSync(this.#link)) {
      if (!name.startsWith(`${stem}-`)) continue;
      const number = /^\d+/.exec(name.slice(stem.length + 1));
      if (number !== null) highest = Math.max(highest, Number(number[0]));
    }
    return highest + 1;
  }

  /** Makes a file that was not there. @throws as fs.openSync does */
  create(name: string): number {
    return fs.openSync(this.#entry(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  }

  /** What an entry takes on the disk, with all in it; 0 when it is not there. */
  sizeBytes(name: string): number {
    return this.#size(this.#entry(name), 0);
  }

  has(name: string): boolean {
    return fs.lstatSync(this.#entry(name), { throwIfNoEntry: false }) !== undefined;
  }

  /** Gives an entry another name, unless something is called so. @returns whether it did */
  rename(from: string, to: string): boolean {
    try {
      fs.linkSync(this.#entry(from), this.#entry(to));
      fs.unlinkSync(this.#entry(from));
      return true;
    } catch {
      return false;
    }
  }

  /** Room on the file system, for whoever is not root. */
  room(): { readonly freeBytes: number; readonly totalBytes: number } {
    const { bavail, blocks, bsize } = fs.statfsSync(this.#link);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }

  /** Puts an entry into the book: it is the guard's from now on, and may be removed for others. */
  own(name: string): void {
    const stat = fs.lstatSync(this.#entry(name), { bigint: true, throwIfNoEntry: false });
    if (stat !== undefined) this.#write([...this.#present(), { name, inode: String(stat.ino) }]);
  }

  /** What the guard's dumps take together. */
  ownBytes(): number {
    return this.#present().reduce((sum, { name }) => sum + this.sizeBytes(name), 0);
  }

  /** Removes the guard's oldest dump. @returns its name; null when there is none, or it cannot be removed */
  removeOldest(): string | null {
    const [oldest, ...others] = this.#present();
    if (oldest === undefined || !this.remove(oldest.name)) return null;
    this.#write(others);
    return oldest.name;
  }

  /** Removes an entry that the guard knows for its own. No symbolic link is followed. */
  remove(name: string): boolean {
    try {
      removeTree(this.#entry(name), fs.fstatSync(this.#descriptor).dev, 0);
      return true;
    } catch {
      return false;
    }
  }

  #entry(name: string): string {
    return `${this.#link}/${name}`;
  }

  /** Those of the book that are still there, and still the same, the oldest first. */
  #present(): OwnDump[] {
    return this.#read().filter(({ name, inode }) => {
      const stat = fs.lstatSync(this.#entry(name), { bigint: true, throwIfNoEntry: false });
      return stat !== undefined && String(stat.ino) === inode;
    });
  }

  /** A book that cannot be read has nothing in it: what is not known for the guard's stays. */
  #read(): readonly OwnDump[] {
    try {
      const descriptor = fs.openSync(this.#entry(BOOK), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      try {
        const bytes = Buffer.alloc(Math.min(BOOK_BYTES_MAX, fs.fstatSync(descriptor).size));
        const length = fs.readSync(descriptor, bytes, 0, bytes.length, 0);
        return dumpsOf(JSON.parse(bytes.toString("utf8", 0, length)));
      } finally {
        fs.closeSync(descriptor);
      }
    } catch {
      return [];
    }
  }

  #write(dumps: readonly OwnDump[]): void {
    const temporary = `${BOOK}.new`;
    try {
      fs.rmSync(this.#entry(temporary), { force: true });
      const descriptor = this.create(temporary);
      fs.writeFileSync(descriptor, JSON.stringify(dumps));
      fs.closeSync(descriptor);
      fs.renameSync(this.#entry(temporary), this.#entry(BOOK));
    } catch {
      // On a full disk it stays as it was: too few are removed rather than too many.
    }
  }

  #size(entry: string, depth: number): number {
    const stat = fs.lstatSync(entry, { throwIfNoEntry: false });
    if (stat === undefined) return 0;
    const own = stat.blocks * BLOCK_BYTES;
    if (!stat.isDirectory() || depth >= DEPTH_MAX) return own;
    try {
      const names = fs.readdirSync(entry);
      return names.reduce((sum, name) => sum + this.#size(`${entry}/${name}`, depth + 1), own);
    } catch {
      return own;
    }
  }
}

/** What is no entry of a book is left out; a name that leads elsewhere is none. */
function dumpsOf(value: unknown): OwnDump[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((each: unknown) => {
    if (typeof each !== "object" || each === null || !("name" in each) || !("inode" in each)) return [];
    const { name, inode } = each;
    const right = typeof name === "string" && typeof inode === "string" && isName(name);
    return right ? [{ name, inode }] : [];
  });
}

function isName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name);
}

/** Directories are held by a descriptor while they are emptied: what replaces them meanwhile is not followed. */
function removeTree(entry: string, device: number, depth: number): void {
  if (!fs.lstatSync(entry).isDirectory()) return fs.unlinkSync(entry);
  const descriptor = fs.openSync(entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    if (fs.fstatSync(descriptor).dev !== device || depth >= DEPTH_MAX)
      throw new Error(`${entry} is another file system, or too deep`);
    const link = `/proc/self/fd/${descriptor}`;
    for (const name of fs.readdirSync(link)) removeTree(path.join(link, name), device, depth + 1);
  } finally {
    fs.closeSync(descriptor);
  }
  fs.rmdirSync(entry);
}
