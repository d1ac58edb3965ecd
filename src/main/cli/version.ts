import fs from "node:fs";

/** The package's version: package.json lies four folders above both src/main/cli's build and none above its source. */
export function packageVersion(): string {
  for (const up of ["../../../../package.json", "../../../package.json"]) {
    try {
      const text = fs.readFileSync(new URL(up, import.meta.url), "utf8");
      const parsed = JSON.parse(text) as { name?: unknown; version?: unknown };
      if (parsed.name === "plimsoll" && typeof parsed.version === "string") return parsed.version;
    } catch {
      // Not there: the other place.
    }
  }
  return "unknown";
}
