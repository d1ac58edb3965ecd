import { readFileSync } from "node:fs";

/** The uid of a user's name (passwd(5)), or null when there is no such user. */
export type UidOf = (name: string) => number | null;

/** The uids of a text in the form of passwd(5). Of two lines for one name the first counts, as for getpwnam(3). */
export function parsePasswd(text: string): ReadonlyMap<string, number> {
  const uids = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [name = "", , uid = ""] = line.split(":");
    if (name !== "" && /^\d+$/.test(uid) && !uids.has(name)) uids.set(name, Number(uid));
  }
  return uids;
}

/** Looks names up in the file at `path`, which is read at the first question. An unreadable file knows nobody. */
export function passwdLookup(path: string): UidOf {
  let uids: ReadonlyMap<string, number> | null = null;
  return (name) => {
    uids ??= parsePasswd(readOrEmpty(path));
    return uids.get(name) ?? null;
  };
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
