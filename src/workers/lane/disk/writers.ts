import fs from "node:fs";

/** Access modes of open(2), in the flags of /proc/PID/fdinfo. */
const ACCESS_MODE = 0o3;

/** A file that a process has open for writing. */
export interface OpenFile {
  readonly pid: number;
  readonly descriptor: string;
}

/**
 * Who has files open for writing, by one look over /proc/PID/fdinfo, made when it is first asked for. Its lines name
 * the inode (since Linux 5.14); the file itself is only asked, which may hang, when that is the one looked for.
 */
export class Writers {
  readonly #procRoot: string;
  #byInode: Map<number, OpenFile[]> | null = null;

  constructor(procRoot: string) {
    this.#procRoot = procRoot;
  }

  /** Whether a process has that file open for writing, by device and inode. */
  has(device: number, inode: number): boolean {
    this.#byInode ??= this.#look();
    return (this.#byInode.get(inode) ?? []).some(({ pid, descriptor }) => {
      try {
        const stat = fs.statSync(`${this.#procRoot}/${pid}/fd/${descriptor}`);
        return stat.dev === device && stat.ino === inode;
      } catch {
        return false;
      }
    });
  }

  #look(): Map<number, OpenFile[]> {
    const found = new Map<number, OpenFile[]>();
    for (const name of fs.readdirSync(this.#procRoot)) {
      if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
      for (const { descriptor, inode } of writtenBy(this.#procRoot, Number(name))) {
        const files = found.get(inode) ?? [];
        files.push({ pid: Number(name), descriptor });
        found.set(inode, files);
      }
    }
    return found;
  }
}

/** The descriptors that a process has open for writing, with the inodes they are of. */
export function writtenBy(
  procRoot: string,
  pid: number,
): { readonly descriptor: string; readonly inode: number; readonly mount: number }[] {
  const directory = `${procRoot}/${pid}/fdinfo`;
  const found: { descriptor: string; inode: number; mount: number }[] = [];
  for (const descriptor of listed(directory)) {
    const info = readOr(`${directory}/${descriptor}`, "");
    const flags = /^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? "0";
    const inode = Number(/^ino:\s*(\d+)$/m.exec(info)?.[1] ?? Number.NaN);
    const mount = Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1] ?? Number.NaN);
    if ((Number.parseInt(flags, 8) & ACCESS_MODE) !== 0) found.push({ descriptor, inode, mount });
  }
  return found;
}

function listed(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

function readOr(file: string, otherwise: string): string {
  try {
    return fs.readFileSync(file, "latin1");
  } catch {
    return otherwise;
  }
}
