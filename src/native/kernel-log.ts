import fs from "node:fs";
import { libc } from "./libc.ts";
import { type SystemError, systemError } from "./system-error.ts";

/** syslog(3) priorities, as the kernel takes them in front of a line (Documentation/ABI/testing/dev-kmsg). */
export const Priority = { alert: 1, critical: 2, error: 3, warning: 4, notice: 5, info: 6 } as const;
const FACILITY_DAEMON = 3 << 3;
/** The kernel cuts a record at 1024 - 48 bytes (PRINTKRB_RECORD_MAX); longer lines are cut here, visibly. */
const LINE_LIMIT_BYTES = 960;

/** @throws as fs.openSync does (EACCES, EPERM for an ordinary user; ENOENT in some containers) */
export function openKernelLog(path: string): number {
  return fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_NOCTTY);
}

/** The kernel log, opened beforehand: writing needs no memory and no file system. */
export class KernelLog {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** A descriptor that {@link openKernelLog} gave, in any thread. */
  static adopt(descriptor: number): KernelLog {
    return new KernelLog(descriptor);
  }

  /**
   * One line, without its newline. Control characters become spaces. With the newline that is put after it the kernel
   * takes the record for finished; without, no reader would see it before the next one comes (printk_ringbuffer.c).
   */
  write(priority: number, line: string): SystemError | null {
    // oxlint-disable-next-line no-control-regex
    const text = Buffer.from(
      `<${FACILITY_DAEMON | priority}>plimsoll: ${line.replace(/[\x00-\x1f\x7f]/g, " ")}\n`,
    );
    const cut =
      text.length > LINE_LIMIT_BYTES
        ? Buffer.concat([text.subarray(0, LINE_LIMIT_BYTES - 4), Buffer.from("...\n")])
        : text;
    const result = libc.write([this.#descriptor, cut, cut.length]);
    return result.value === -1 ? systemError("write to the kernel log", result) : null;
  }
}
