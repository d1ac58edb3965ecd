/** The library's surface: the policy, the pure analysis, and what they speak in. */
export type {
  Callback,
  CallbackContext,
  CallbackLogger,
  CallbackName,
  Callbacks,
  CallbackSample,
} from "../core/app/callbacks.ts";
export { ExitCode, Fault } from "../core/fault.ts";
export type { Decision, LevelChange, Numbers, Walk } from "../core/memory/decision.ts";
export { MemoryState, type StepInput, type StepOutput } from "../core/memory/state.ts";
export { step } from "../core/memory/step.ts";
export type { Policy } from "../core/policy/policy.ts";
export { MEMORY_COLUMNS, PROCESS_COLUMNS } from "../core/samples.ts";
export type { Candidate, ProcessRow, Ranking, VictimQuestion } from "../core/victim/candidate.ts";
export { rankVictims } from "../core/victim/rank.ts";
export { loadPolicy } from "./config/load-policy.ts";
