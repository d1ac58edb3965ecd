import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parsePolicy } from "../../src/main/config/parse-policy.ts";
import { KEY_PLACES } from "../../src/main/config/schema.ts";

const TEXT = readFileSync(new URL("../../docs/policy.md", import.meta.url), "utf8");

test("every key is documented", () => {
  const missing = KEY_PLACES.map(([key]) => key).filter(
    (key) => !new RegExp(`\`(?:\\[|{ )?(?:memory\\.)?${key}\\b`).test(TEXT),
  );
  // Keys of steps stand in examples of steps.
  expect(missing.filter((key) => key !== "run")).toEqual([]);
});

test("every example is a policy", () => {
  const examples = [...TEXT.matchAll(/```toml\n(.*?)```/gs)].map(([, text = ""]) => text);
  expect(examples.length).toBeGreaterThan(0);
  for (const example of examples)
    expect(parsePolicy(example, "docs/policy.md", () => 0)).toMatchObject({ ok: true });
});
