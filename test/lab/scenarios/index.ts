import type { Scenario } from "../scenario.ts";
import { calm } from "./calm.ts";
import { crowds } from "./crowds.ts";
import { growth } from "./growth.ts";
import { traps } from "./traps.ts";

/** Every scenario of the lab. */
export const scenarios: readonly Scenario[] = [...growth, ...crowds, ...calm, ...traps];
