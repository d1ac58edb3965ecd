import { type NamedThing, RESOURCES, type Resource } from "../resources/resource.ts";
import type { BadLine } from "./cgroup-lines.ts";

/** JSON lines: what the numbers of mounts, devices, interfaces and machines mean, from when on. */
export const NAMES_FILE = "names.jsonl";

/** What a number of a resource's table stands for from a time on, of the tables' clock. */
export interface DatasetName extends NamedThing {
  readonly resource: Resource;
  readonly timeUs: number;
  /** It is gone: what the number means from then on, if anything, is said anew. */
  readonly gone: boolean;
}

export function nameLine({ number, name, about }: NamedThing, resource: Resource, timeUs: number): string {
  return `${JSON.stringify({ timeUs, resource, number, name, about })}\n`;
}

export function nameGoneLine(number: number, resource: Resource, timeUs: number): string {
  return `${JSON.stringify({ timeUs, resource, number, gone: true })}\n`;
}

/** Names by number and time. */
export class DatasetNames {
  readonly #byNumber = new Map<string, DatasetName[]>();

  /** In the order in which they were written. */
  add(name: DatasetName): void {
    const key = keyOf(name.resource, name.number);
    const known = this.#byNumber.get(key);
    if (known === undefined) this.#byNumber.set(key, [name]);
    else known.push(name);
  }

  /** What is said of a number at last; null: nothing. */
  last(resource: Resource, number: number): DatasetName | null {
    return this.#byNumber.get(keyOf(resource, number))?.at(-1) ?? null;
  }

  /**
   * What a number meant at a time. Before it was said the first time it meant the same; after it was gone it means what
   * it meant, until it is said anew: a row may have been read just before.
   */
  at(resource: Resource, number: number, timeUs: number): DatasetName | null {
    const known = this.#byNumber.get(keyOf(resource, number));
    if (known === undefined) return null;
    let found: DatasetName | null = null;
    for (const each of known) {
      if (each.gone) continue;
      if (found !== null && each.timeUs > timeUs) break;
      found = each;
    }
    return found;
  }

  /** All of a resource, gone or not. */
  of(resource: Resource): DatasetName[] {
    return [...this.#byNumber.values()].flat().filter((each) => each.resource === resource);
  }
}

function keyOf(resource: Resource, number: number): string {
  return `${resource} ${number}`;
}

/** Reads the lines of {@link NAMES_FILE}; those that are cut off or make no sense are named, the rest is read. */
export function parseNameLines(bytes: Uint8Array): {
  readonly names: DatasetNames;
  readonly bad: readonly BadLine[];
} {
  const names = new DatasetNames();
  const bad: BadLine[] = [];
  const decoder = new TextDecoder();
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(10, at);
    const line = decoder.decode(bytes.subarray(at, end < 0 ? bytes.length : end));
    if (end < 0) bad.push({ offsetBytes: at, what: "the last line is cut off" });
    else if (!takeLine(line, names)) {
      bad.push({ offsetBytes: at, what: "expected a line about a name, found something else" });
    }
    at = end < 0 ? bytes.length : end + 1;
  }
  return { names, bad };
}

function takeLine(line: string, names: DatasetNames): boolean {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return false;
  }
  if (typeof value !== "object" || value === null) return false;
  const { timeUs, resource, number, name, about, gone } = value as Partial<DatasetName>;
  const known = RESOURCES.find((each) => each === resource);
  if (known === undefined || typeof timeUs !== "number" || typeof number !== "number") return false;
  if (gone === true) {
    const last = names.last(known, number);
    if (last === null) return false;
    names.add({ ...last, timeUs, gone: true });
    return true;
  }
  if (typeof name !== "string" || !isTexts(about)) return false;
  names.add({ timeUs, resource: known, number, name, about, gone: false });
  return true;
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((each) => typeof each === "string");
}
