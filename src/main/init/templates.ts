/** Texts that `plimsoll init` writes and that a reader may look at as they are: docs/examples/ of the package. */
import fs from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { invariant } from "../../core/fault.ts";

/** The text of docs/examples/NAME: docs/ lies beside src/ in the sources, beside dist/ in the package. */
export function template(name: "callbacks.mjs" | "plimsoll.toml"): string {
  for (let directory = dirname(fileURLToPath(import.meta.url)); ; directory = dirname(directory)) {
    const path = join(directory, "docs", "examples", name);
    if (fs.existsSync(path)) return fs.readFileSync(path, "utf8");
    invariant(directory !== dirname(directory), `docs/examples/${name} is shipped with the program`);
  }
}
