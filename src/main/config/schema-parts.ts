/** The pieces policy schemas are made of, each with its own words for what was expected. */
import { describeValue, type Parsed } from "../../core/units.ts";
import { type Schema, z } from "./zod.ts";

export type Shape = Readonly<Record<string, Schema<unknown>>>;

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

/** One value. What is wrong travels as the issue's params, as zod's own messages do not say what was found. */
export function scalar<T>(read: (value: unknown) => Parsed<T>): Schema<T> {
  return z.pipe(
    z.unknown(),
    z.transform((value: unknown, context): T => {
      const parsed = read(value);
      if (parsed.ok) return parsed.value;
      const { expected, found } = parsed;
      context.issues.push({ code: "custom", input: value, params: { expected, found } });
      return z.NEVER;
    }),
  );
}

/** A table whose keys may all be left out, and has no others. The message of an unknown key lists the known. */
export function table<T extends Shape>(shape: T, needed: readonly (keyof T)[] = []) {
  const entries = Object.entries(shape).map(([key, value]) => [
    key,
    needed.includes(key) ? value : z.optional(value),
  ]);
  return z.strictObject(
    Object.fromEntries(entries) as { [K in keyof T]: ReturnType<typeof z.optional<T[K]>> },
    {
      error: (issue) => (issue.code === "unrecognized_keys" ? Object.keys(shape).join(" ") : "a table"),
    },
  );
}

export function list<T>(item: Schema<T>, expected: string): Schema<T[]> {
  return z.array(item, { error: expected });
}

/** A value whose schema is told by a look at it; so that a mistake is reported once, for the one it was meant to be. */
export function choice<T>(choose: (value: unknown) => Schema<T>): Schema<T> {
  return z.pipe(
    z.unknown(),
    z.transform((value: unknown, context): T => {
      const result = z.safeParse(choose(value), value, { reportInput: true });
      if (result.success) return result.data;
      // An issue as reported is one as raised with its message settled; zod has two types for the two ends.
      for (const issue of result.error.issues) context.issues.push(issue as (typeof context.issues)[number]);
      return z.NEVER;
    }),
  );
}

/** A table, or false: what it is about is switched off. */
export function tableOrFalse(shape: Shape): Schema<unknown> {
  const on = table(shape);
  const off = scalar(
    (value): Parsed<false> =>
      value === false
        ? { ok: true, value }
        : { ok: false, expected: "a table, or false", found: describeValue(value) },
  );
  return choice<unknown>((value) =>
    typeof value === "object" && value !== null && !Array.isArray(value) ? on : off,
  );
}
