import { execFileSync } from "node:child_process";

const LIMIT_MS = 2000;

/** What the local time is ahead of UTC, and the abbreviation of its zone, as date(1) knows both. */
export interface LocalOffset {
  readonly offsetMinutes: number;
  readonly zone: string;
}

/**
 * The local zone. Its abbreviation is asked of date(1), as JavaScript has only English names for some: once, and again
 * when the offset changes, as at the begin of summer time.
 */
export class LocalZone {
  #last: LocalOffset | null = null;

  at(wallMs: number): LocalOffset {
    const offsetMinutes = -new Date(wallMs).getTimezoneOffset();
    if (this.#last?.offsetMinutes !== offsetMinutes)
      this.#last = { offsetMinutes, zone: abbreviationAt(wallMs) ?? numericZone(offsetMinutes) };
    return this.#last;
  }
}

/** Null where there is no date(1), or no process can be started. */
function abbreviationAt(wallMs: number): string | null {
  try {
    const args = ["-d", `@${Math.floor(wallMs / 1000)}`, "+%Z"];
    const env = { ...process.env, LC_ALL: "C" };
    const text = execFileSync("date", args, { env, timeout: LIMIT_MS, encoding: "latin1", stdio: "pipe" });
    return /^\S+$/.test(text.trim()) ? text.trim() : null;
  } catch {
    return null;
  }
}

/** As zones without a name are abbreviated (tzfile(5)): `+03`, `-0330`. */
function numericZone(offsetMinutes: number): string {
  const ahead = Math.abs(offsetMinutes);
  const [hours, minutes] = [Math.floor(ahead / 60), ahead % 60].map((part) => String(part).padStart(2, "0"));
  return `${offsetMinutes < 0 ? "-" : "+"}${hours}${minutes === "00" ? "" : minutes}`;
}
