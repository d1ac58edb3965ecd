import fs from "node:fs";
import { nameGoneLine, nameLine, parseNameLines } from "../../core/dataset/name-lines.ts";
import type { Message } from "../../core/messages.ts";
import { type NamedThing, RESOURCES, type Resource } from "../../core/resources/resource.ts";
import { AppendedFile } from "./appended-file.ts";

/** Appends what numbers mean from now on. What could not be written waits in memory: it is little. */
export class NameLog {
  readonly #file: AppendedFile;
  /** What is there now. */
  readonly #present = new Map<string, NamedThing>();
  #waiting: Uint8Array[] = [];

  /** Goes on where an earlier life ended. @throws as fs.openSync does */
  constructor(path: string) {
    const bytes = fs.existsSync(path) ? fs.readFileSync(path) : Buffer.alloc(0);
    this.#file = AppendedFile.reopen(path, bytes.lastIndexOf(10) + 1);
    const { names } = parseNameLines(bytes);
    for (const resource of RESOURCES) {
      for (const { number } of names.of(resource)) {
        const last = names.last(resource, number);
        if (last !== null && !last.gone) this.#present.set(keyOf(resource, number), last);
      }
    }
  }

  /** How many things are there now. */
  get present(): number {
    return this.#present.size;
  }

  /** Takes a letter of a sampler's, which may tell again what is known. @param nowUs unless the letter says when */
  take({ resource, appeared, gone, atUs }: Message & { readonly type: "names" }, nowUs: number): void {
    const timeUs = Math.floor(atUs ?? nowUs);
    const lines: string[] = [];
    for (const number of gone) {
      if (this.#present.delete(keyOf(resource, number))) lines.push(nameGoneLine(number, resource, timeUs));
    }
    for (const thing of appeared) {
      const key = keyOf(resource, thing.number);
      if (isSame(this.#present.get(key), thing)) continue;
      this.#present.set(key, thing);
      lines.push(nameLine(thing, resource, timeUs));
    }
    if (lines.length > 0) this.#waiting.push(Buffer.from(lines.join("")));
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

function keyOf(resource: Resource, number: number): string {
  return `${resource} ${number}`;
}

function isSame(one: NamedThing | undefined, other: NamedThing): boolean {
  if (one === undefined || one.name !== other.name) return false;
  const words = Object.entries(one.about);
  return (
    words.length === Object.keys(other.about).length &&
    words.every(([word, meaning]) => other.about[word] === meaning)
  );
}
