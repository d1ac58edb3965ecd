/** Ladders: each resource has the steps that can help it, and refuses the others. */
import type { AppRung } from "../../core/policy/applications.ts";
import {
  DEADLINE_DEFAULT_MS,
  DUMP_COUNT_DEFAULT,
  DUMP_SPACING_DEFAULT_MS,
  NICE_DEFAULT,
  QUARANTINE_CORES_DEFAULT,
  STABLE_DEFAULT_MS,
  THROTTLE_SHARE_DEFAULT,
} from "../../core/policy/document.ts";
import type { Rung } from "../../core/policy/policy.ts";
import type { CpuRung, DiskRung, IoRung } from "../../core/policy/resources.ts";
import { describeValue, type Parsed } from "../../core/units.ts";
import { readEnd, readSignal, readWaitFile } from "./read-application-values.ts";
import { countWithin, durationWithin, numberUpTo, readCommand, readShare } from "./read-values.ts";
import { choice, HOUR_MS, list, scalar, type Shape, table } from "./schema-parts.ts";
import { type Schema, z } from "./zod.ts";

/** What a step's table may say besides its action; nothing of it where the step is a word. */
interface Said {
  readonly run?: string;
  readonly deadline?: number;
  readonly nice?: number;
  readonly cores?: number;
  readonly share?: number;
  readonly count?: number;
  readonly spacing?: number;
  readonly signal?: string;
  readonly file?: string;
  readonly ends_with?: string;
  readonly stable?: number;
}

/** A kind of step. */
interface RungKind<R> {
  readonly shape: Shape;
  /** A key without which it says nothing: it cannot be a word alone. */
  readonly needed?: string;
  readonly make: (said: Said) => R;
}

type RungKinds<R> = Readonly<Record<string, RungKind<R>>>;

const deadline = scalar(durationWithin(1, HOUR_MS));
const anything = z.unknown() as Schema<unknown>;
/** More processors than any host has. */
export const CORES_MAX = 10_000;

const LOG: RungKind<Extract<Rung, { readonly action: "log" }>> = {
  shape: {},
  make: () => ({ action: "log" }),
};
const COMMAND: RungKind<Extract<Rung, { readonly action: "command" }>> = {
  shape: { run: scalar(readCommand), deadline },
  needed: "run",
  make: (said) => ({
    action: "command",
    command: said.run ?? "",
    deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS.command,
  }),
};

function signal(action: "sigterm" | "sigkill"): RungKind<Rung> {
  const make = (said: Said): Rung => ({ action, deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS[action] });
  return { shape: { deadline }, make };
}

export const MEMORY_RUNGS: RungKinds<Rung> = {
  log: LOG,
  command: COMMAND,
  sigterm: signal("sigterm"),
  sigkill: signal("sigkill"),
};

export const CPU_RUNGS: RungKinds<CpuRung> = {
  log: LOG,
  command: COMMAND,
  renice: {
    shape: { nice: scalar(countWithin(1, 19)), deadline },
    make: (said) => ({
      action: "renice",
      nice: said.nice ?? NICE_DEFAULT,
      deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS.renice,
    }),
  },
  quarantine: {
    shape: { cores: scalar(numberUpTo(CORES_MAX)), deadline },
    make: (said) => ({
      action: "quarantine",
      cores: said.cores ?? QUARANTINE_CORES_DEFAULT,
      deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS.quarantine,
    }),
  },
  freeze: {
    shape: { deadline },
    make: (said) => ({ action: "freeze", deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS.freeze }),
  },
  sigterm: signal("sigterm"),
  sigkill: signal("sigkill"),
};

export const DISK_RUNGS: RungKinds<DiskRung> = {
  log: LOG,
  command: COMMAND,
  reclaim: {
    shape: { deadline },
    make: (said) => ({ action: "reclaim", deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS.reclaim }),
  },
  sigterm: signal("sigterm"),
  sigkill: signal("sigkill"),
};

export const IO_RUNGS: RungKinds<IoRung> = {
  log: LOG,
  command: COMMAND,
  throttle: {
    shape: { share: scalar(readShare), deadline },
    make: (said) => ({
      action: "throttle",
      share: said.share ?? THROTTLE_SHARE_DEFAULT,
      deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS.throttle,
    }),
  },
};

/** More dumps than anybody reads. */
const DUMPS_MAX = 100;

export const APP_RUNGS: RungKinds<AppRung> = {
  log: LOG,
  dump: {
    shape: {
      run: scalar(readCommand),
      count: scalar(countWithin(1, DUMPS_MAX)),
      spacing: scalar(durationWithin(0, HOUR_MS)),
      deadline,
    },
    needed: "run",
    make: (said) => ({
      action: "dump",
      command: said.run ?? "",
      count: said.count ?? DUMP_COUNT_DEFAULT,
      spacingMs: said.spacing ?? DUMP_SPACING_DEFAULT_MS,
      deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS.dump,
    }),
  },
  signal: {
    shape: { signal: scalar(readSignal), deadline },
    needed: "signal",
    make: (said) => ({
      action: "signal",
      signal: said.signal ?? "",
      deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS.signal,
    }),
  },
  wait: {
    shape: {
      file: scalar(readWaitFile),
      ends_with: scalar(readEnd),
      stable: scalar(durationWithin(100, HOUR_MS)),
      deadline,
    },
    needed: "file",
    make: (said) => ({
      action: "wait",
      file: said.file ?? "",
      endsWith: said.ends_with ?? null,
      stableMs: said.stable ?? STABLE_DEFAULT_MS,
      deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS.wait,
    }),
  },
  command: COMMAND,
  sigterm: signal("sigterm"),
  sigkill: signal("sigkill"),
};

/** The keys that steps have, of all kinds. */
export const RUNG_KEYS: readonly string[] = [
  ...new Set([
    "action",
    ...[MEMORY_RUNGS, CPU_RUNGS, DISK_RUNGS, IO_RUNGS, APP_RUNGS].flatMap((kinds) =>
      Object.values(kinds).flatMap(({ shape }) => Object.keys(shape)),
    ),
  ]),
];

/** An array of steps: each a word, or a table with the word as its `action`. */
export function ladderOf<R>(kinds: RungKinds<R>): Schema<R[]> {
  const names = Object.keys(kinds).map((name) => JSON.stringify(name));
  const words = Object.entries(kinds).flatMap(([name, { needed }]) =>
    needed === undefined ? [JSON.stringify(name)] : [],
  );
  const step = `${words.join(", ")}, or a table such as { action = "command", run = "…" }`;
  const actions = `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
  const schemas = new Map(Object.entries(kinds).map(([name, kind]) => [name, schemasOf(kind)]));
  const rung = choice((value) => {
    const isTable = typeof value === "object" && value !== null && !Array.isArray(value);
    const word: unknown = isTable ? (value as { action?: unknown }).action : value;
    const known = typeof word === "string" ? schemas.get(word) : undefined;
    const right = isTable ? known?.table : known?.word;
    if (right !== undefined && right !== null) return right;
    const expected = isTable ? actions : step;
    const refused = scalar((): Parsed<never> => ({ ok: false, expected, found: describeValue(word) }));
    return isTable ? (z.looseObject({ action: refused }) as unknown as Schema<R>) : refused;
  });
  return list(rung, `an array of steps: ${step}`);
}

function schemasOf<R>({ shape, needed, make }: RungKind<R>): {
  readonly word: Schema<R> | null;
  readonly table: Schema<R>;
} {
  const parts: Shape = { action: anything, ...shape };
  const whole: Schema<unknown> = table(parts, needed === undefined ? [] : [needed]);
  const madeFrom = (schema: Schema<unknown>, said: (value: unknown) => Said): Schema<R> =>
    z.pipe(
      schema,
      z.transform((value: unknown) => make(said(value))),
    ) as unknown as Schema<R>;
  return {
    word: needed === undefined ? madeFrom(anything, () => ({})) : null,
    table: madeFrom(whole, (value) => value as Said),
  };
}
