import fs from "node:fs";
import { appearedLine, goneLine, parseCgroupLines } from "../../core/dataset/cgroup-lines.ts";
import { lifeOfCgroup } from "../../core/cgroups/number.ts";
import type { Message } from "../../core/messages.ts";
import { AppendedFile } from "./appended-file.ts";

/** Appends who appeared and who is gone. What could not be written waits in memory: it is little. */
export class CgroupLog {
  readonly #file: AppendedFile;
  #waiting: Uint8Array[] = [];
  readonly #present: Set<number>;

  /** Goes on where an earlier life ended. @throws as fs.openSync does */
  constructor(path: string) {
    const bytes = fs.existsSync(path) ? fs.readFileSync(path) : Buffer.alloc(0);
    this.#file = AppendedFile.reopen(path, bytes.lastIndexOf(10) + 1);
    const { cgroups } = parseCgroupLines(bytes);
    this.#present = new Set(
      [...cgroups.values()].filter((each) => each.goneUs === null).map((each) => each.number),
    );
  }

  /** How many cgroups are followed now. */
  get present(): number {
    return this.#present.size;
  }

  /**
   * Takes a letter of the sampler's. A later life of the sampler numbers all anew; one of ours may be told again what
   * is known.
   */
  take({ appeared, gone }: Message & { readonly type: "cgroups" }, nowUs: number): void {
    const lines: string[] = [];
    const life = Math.max(0, ...appeared.map(({ number }) => lifeOfCgroup(number)));
    for (const number of this.#present) {
      if (lifeOfCgroup(number) < life) this.#leave(number, nowUs, lines);
    }
    for (const identity of appeared) {
      if (this.#present.has(identity.number)) continue;
      this.#present.add(identity.number);
      lines.push(appearedLine(identity, nowUs));
    }
    for (const number of gone) this.#leave(number, nowUs, lines);
    if (lines.length > 0) this.#waiting.push(Buffer.from(lines.join("")));
  }

  #leave(number: number, nowUs: number, lines: string[]): void {
    if (this.#present.delete(number)) lines.push(goneLine(number, nowUs));
  }

  get bytes(): number {
    return this.#file.sizeBytes;
  }

  /** @returns why what waits could not be written */
  flush(): string | null {
    if (this.#waiting.length === 0) return null;
    const refusal = this.#file.append([Buffer.concat(this.#waiting)]);
    if (refusal === null) this.#waiting = [];
    return refusal;
  }

  close(): string | null {
    return this.flush() ?? this.#file.close();
  }
}
