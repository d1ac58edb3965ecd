import { SkippedReporter } from "./skipped.ts";

type Reporter = "default" | "verbose" | ["json", { outputFile: string }] | SkippedReporter;

/** vitest's reporters: one for the terminal, and its results as JSON where a file is named. */
export function reportersFor(
  jsonFile: string | undefined,
  terminal: "default" | "verbose" = "default",
): Reporter[] {
  const always: Reporter[] = [terminal, new SkippedReporter()];
  return jsonFile === undefined ? always : [...always, ["json", { outputFile: jsonFile }]];
}
