import type { Finding } from "../../core/policy/finding.ts";

/** A file that decides what is run or ended, and that others than its owner may write. */
export function writableByOthers(file: string, advice: string): Finding {
  const expected = "a file that its owner alone may write";
  const found = `${file}, which others may write`;
  const message = `expected ${expected}, found ${found}`;
  return { severity: "warning", line: null, key: "", expected, found, message, advice };
}
