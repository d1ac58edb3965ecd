/** A domain that a guard hibernated and that is to be started again, as it is kept in a file between guards. */
export interface HibernatedDomain {
  readonly uri: string;
  readonly uuid: string;
  /** What it used before; null: not known. */
  readonly heldBytes: number | null;
}

const LINE = /^(\S+) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) (\d{1,16}|-)$/;

/** One line each: `URI UUID BYTES`, `-` for bytes that are not known. */
export function formatHibernated(domains: readonly HibernatedDomain[]): string {
  return domains.map(({ uri, uuid, heldBytes }) => `${uri} ${uuid} ${heldBytes ?? "-"}\n`).join("");
}

/** Lines that say nothing, a last one without an end among them, are passed over. */
export function parseHibernated(text: string): HibernatedDomain[] {
  const domains = new Map<string, HibernatedDomain>();
  for (const line of text.split("\n").slice(0, -1)) {
    const [, uri = "", uuid = "", bytes = ""] = LINE.exec(line) ?? [];
    if (uri === "") continue;
    domains.set(`${uri} ${uuid}`, { uri, uuid, heldBytes: bytes === "-" ? null : Number(bytes) });
  }
  return [...domains.values()];
}
