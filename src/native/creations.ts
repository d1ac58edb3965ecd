import fs from "node:fs";
import { closeDescriptor } from "./descriptor.ts";
import { libc } from "./libc.ts";
import { type SystemError, systemError } from "./system-error.ts";

/** linux/fanotify.h. */
const INIT = { closeOnExec: 0x01, nonBlocking: 0x02, unlimitedQueue: 0x10, directoryAndName: 0xc00 } as const;
const MARK_ADD = 0x01;
const MARK_FILESYSTEM = 0x100;
const EVENT = { create: 0x100, onDirectory: 0x40000000 } as const;
const HERE = -100;
/** struct fanotify_event_metadata: length at 0, pid at 20. */
const METADATA_BYTES = 24;
const PID_AT = 20;

/**
 * Who makes files and directories on one file system, counted by process: fanotify(7), from Linux 5.9 on, as root.
 * Every creation is counted, however short the file is open.
 */
export class Creations {
  readonly counts = new Map<number, number>();
  readonly #descriptor: number;
  readonly #bytes = Buffer.alloc(64 * 1024);

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Begins to count. @param path any on the file system */
  static watch(path: string): Creations | SystemError {
    const flags = INIT.closeOnExec | INIT.nonBlocking | INIT.unlimitedQueue | INIT.directoryAndName;
    const made = libc.fanotifyInit([flags, 0]);
    if (made.value === -1) return systemError("fanotify_init", made);
    const what = EVENT.create | EVENT.onDirectory;
    const marked = libc.fanotifyMark([
      made.value,
      MARK_ADD | MARK_FILESYSTEM,
      what,
      HERE,
      Buffer.from(`${path}\0`),
    ]);
    if (marked.value === -1) {
      closeDescriptor(made.value);
      return systemError("fanotify_mark", marked);
    }
    return new Creations(made.value);
  }

  /** Takes in what has happened since the last call. */
  take(): void {
    for (;;) {
      let length = 0;
      try {
        length = fs.readSync(this.#descriptor, this.#bytes, 0, this.#bytes.length, null);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EAGAIN") return;
        throw error;
      }
      if (length <= 0) return;
      for (let at = 0; at + METADATA_BYTES <= length; ) {
        const pid = this.#bytes.readInt32LE(at + PID_AT);
        this.counts.set(pid, (this.counts.get(pid) ?? 0) + 1);
        at += Math.max(METADATA_BYTES, this.#bytes.readUInt32LE(at));
      }
    }
  }

  close(): void {
    closeDescriptor(this.#descriptor);
  }
}
