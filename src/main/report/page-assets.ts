import fs from "node:fs";
import { createRequire } from "node:module";

/** What of program text goes into the page. */
export interface PageAssets {
  /** echarts, minified, as its authors built it: the smallest bundle that draws on a canvas and, for paper, SVG. */
  readonly library: string;
  /** Ours: the modules of page/, as built, made one script. */
  readonly script: string;
}

/** Each after what it imports. */
const MODULES = [
  "dom",
  "look",
  "zone",
  "values",
  "packed",
  "drawing",
  "view",
  "tip",
  "pointer",
  "plot",
  "start",
];

/**
 * The modules of page/ as one script: their names are unique among them, so that it is enough to take imports and
 * `export` away. @param read the built text of a module by its name
 */
export function joinModules(read: (name: string) => string): string {
  const texts = MODULES.map((name) =>
    read(name)
      .replace(/^import\s[^;]*;\n/gm, "")
      .replace(/^export (?=(?:async )?function|class|const)/gm, "")
      .replace(/^export \{\};\n/gm, "")
      .replace(/^\/\/# sourceMappingURL=.*$/gm, ""),
  );
  return `(() => {\n"use strict";\n${texts.join("\n")}\n})();`;
}

/** Reads them beside this file, which must be the built one, and from node_modules. @throws Error that says what is missing */
export function readPageAssets(): PageAssets {
  const library = createRequire(import.meta.url).resolve("echarts/dist/echarts.common.min.js");
  return {
    library: fs.readFileSync(library, "utf8"),
    script: joinModules((name) => fs.readFileSync(new URL(`./page/${name}.js`, import.meta.url), "utf8")),
  };
}
