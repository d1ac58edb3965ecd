import fs from "node:fs";
import { formatHibernated, type HibernatedDomain, parseHibernated } from "../../core/vm/hibernated.ts";

/**
 * Which domains were hibernated by the guard, by it or an earlier one: written down before it is done. Only those are
 * started again. Nothing is lost with the file: a domain that was hibernated goes on whenever anybody starts it.
 */
export class HibernatedFile {
  readonly #path: string | null;
  #domains: readonly HibernatedDomain[];

  /** @param path null: nothing is kept beyond this life */
  constructor(path: string | null) {
    this.#path = path;
    this.#domains = path === null ? [] : parseHibernated(readIfThere(path));
  }

  get(uri: string, uuid: string): HibernatedDomain | null {
    return this.#domains.find((domain) => domain.uri === uri && domain.uuid === uuid) ?? null;
  }

  /** @throws as fs does, when it cannot be written: then it is not to be done */
  add(domain: HibernatedDomain): void {
    this.#write([
      ...this.#domains.filter((each) => each.uuid !== domain.uuid || each.uri !== domain.uri),
      domain,
    ]);
  }

  /** What stays in a file that cannot be written is found to be no more when it is looked at again. */
  remove(uri: string, uuid: string): void {
    const left = this.#domains.filter((domain) => domain.uri !== uri || domain.uuid !== uuid);
    if (left.length === this.#domains.length) return;
    this.#domains = left;
    try {
      this.#write(left);
    } catch {
      // As said above.
    }
  }

  #write(domains: readonly HibernatedDomain[]): void {
    if (this.#path !== null) {
      const beside = `${this.#path}.new`;
      fs.rmSync(beside, { force: true });
      fs.writeFileSync(beside, formatHibernated(domains), { mode: 0o600, flag: "wx", flush: true });
      fs.renameSync(beside, this.#path);
    }
    this.#domains = domains;
  }
}

function readIfThere(path: string): string {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
