type Reporter = "default" | "verbose" | ["json", { outputFile: string }];

/** vitest's reporters: one for the terminal, and its results as JSON where a file is named. */
export function reportersFor(
  jsonFile: string | undefined,
  terminal: "default" | "verbose" = "default",
): Reporter[] {
  return jsonFile === undefined ? [terminal] : [terminal, ["json", { outputFile: jsonFile }]];
}
