import fs from "node:fs";
import { ExitCode, Fault } from "../../core/fault.ts";

/** Where it goes: `-` is stdout. */
const STDOUT = "-";

/**
 * Writes a file that is not there yet; what is there, a symbolic link too, stays as it is (open(2), O_EXCL).
 * @param mode less what umask(2) takes
 * @throws Fault (fault) when there is one already, or when it cannot be written
 */
export function writeNew(path: string, text: string, mode = 0o644): void {
  if (path === STDOUT) {
    process.stdout.write(text);
    return;
  }
  try {
    fs.writeFileSync(path, text, { flag: "wx", mode });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === "EEXIST"
        ? "one there already, which is left as it is; remove it, or name another file"
        : `${message}; name a file in a directory that you may write`;
    throw new Fault(ExitCode.fault, `${path}: expected to write a new file, found ${why}`, { cause: error });
  }
  process.stderr.write(`wrote ${path}\n`);
}
