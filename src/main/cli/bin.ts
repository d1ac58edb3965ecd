#!/usr/bin/env -S node --no-node-snapshot
import { Command, CommanderError } from "commander";
// First of all, and on this thread: workers that load it before the main thread does take the process down at their end.
import "../../native/libc.ts";
import { ExitCode, Fault } from "../../core/fault.ts";
import { calibrateCommand } from "./calibrate-command.ts";
import { auditCommand } from "./audit-command.ts";
import { checkCommand } from "./check-command.ts";
import { doctorCommand } from "./doctor-command.ts";
import { exportCommand } from "./export-command.ts";
import { initCommand } from "./init-command.ts";
import { recommendCommand } from "./recommend-command.ts";
import { reportCommand } from "./report-command.ts";
import { recordCommand } from "./record-command.ts";
import { runCommand } from "./run-command.ts";
import { statusCommand } from "./status-command.ts";
import { packageVersion } from "./version.ts";

const EXAMPLES = `
Examples:
  plimsoll run --dry-run        watch, and say what would be done
  plimsoll check my.toml        what a policy means, and what is wrong with it
  plimsoll init --systemd       a unit that runs it as a service
  plimsoll doctor               what this host lets the guard do
  plimsoll status               what the running guard sees
  plimsoll audit --since 2h     what it has decided and done, and why
  plimsoll report DATASET       draw what was recorded, and what the guard did
  plimsoll calibrate DATASET    what each cgroup used while it was recorded

Exit codes: 0 done, 1 fault, 2 usage, 3 bad policy, 4 unsupported host, 5 not permitted.`;

function program(): Command {
  const plimsoll = new Command("plimsoll")
    .description(
      "Guards a Linux host: sees memory run out before the kernel does, and ends the right process first.",
    )
    .version(packageVersion())
    .addHelpText("after", EXAMPLES)
    .showHelpAfterError("(--help says what there is)");
  for (const command of [runCommand(), recordCommand(), checkCommand(), doctorCommand(), statusCommand()])
    plimsoll.addCommand(command);
  plimsoll.addCommand(initCommand());
  plimsoll.addCommand(auditCommand());
  for (const command of [calibrateCommand(), exportCommand(), recommendCommand(), reportCommand()])
    plimsoll.addCommand(command);
  return plimsoll;
}

/** Without this, each command would end the process by itself, with a code of its own. */
function throwInsteadOfExit(command: Command): Command {
  command.exitOverride();
  for (const child of command.commands) throwInsteadOfExit(child);
  return command;
}

// A reader that went away (`plimsoll … | head`) is no fault, and no reason to stop what is under way.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
try {
  await throwInsteadOfExit(program()).parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // commander has printed what there is to say; help and version come this way too, with code 0.
    process.exitCode = error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
  } else if (error instanceof Fault) {
    process.stderr.write(`plimsoll: ${error.message}\n`);
    process.exitCode = error.code;
  } else {
    process.stderr.write(
      `plimsoll: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = ExitCode.fault;
  }
}
