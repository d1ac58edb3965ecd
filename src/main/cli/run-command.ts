import path from "node:path";
import { Command } from "commander";
import { ExitCode, Fault } from "../../core/fault.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { applySwitches } from "../../core/policy/switches.ts";
import { parseDuration } from "../../core/units.ts";
import { HOST_ROOTS } from "../../workers/common/roots.ts";
import { readSwitches } from "../config/kernel-switches.ts";
import { loadPolicyApart } from "../config/load-policy-apart.ts";
import type { ApplicationOverrides } from "../config/override-applications.ts";
import { Guard } from "../coordinator/coordinator.ts";
import { settle, startSmall } from "../coordinator/footprint.ts";
import { idle } from "../coordinator/idle.ts";
import { openLog } from "../coordinator/log.ts";
import { placesFor } from "../coordinator/places.ts";
import { liveLine, summary } from "./terminal.ts";
import { packageVersion } from "./version.ts";

interface RunOptions {
  readonly config?: string;
  readonly profile?: string;
  readonly scope?: string;
  readonly dryRun?: boolean;
  readonly duration?: string;
  readonly logJson?: boolean;
  readonly callbacks?: string;
  readonly exitWithApplication?: boolean;
  readonly monitorLog?: string;
  readonly dataset?: string;
}

/** How often the live line is written: on a terminal over itself, elsewhere as a line each. */
const LIVE_TERMINAL_MS = 250;
const LIVE_PLAIN_MS = 2000;

const EXAMPLES = `
Examples:
  plimsoll run                                      guard the host by the built-in policy
  plimsoll run --config /etc/plimsoll.toml          by a policy of your own
  plimsoll run --profile ork                        every resource, on a node of virtual machines
  plimsoll run --profile nso                        Cisco NSO: debug dumps at 90 %, a graceful end at 95 %
  plimsoll run --profile nso --callbacks my.mjs     with functions of your own (plimsoll init --callbacks)
  plimsoll run --dataset /var/lib/samples           and record what it samples: plimsoll report /var/lib/samples
  plimsoll run --scope /build --dry-run             watch one memory cgroup, signal nobody
  plimsoll run --duration 5s                        for five seconds, then the summary

The kernel command line may switch it off, wholly or in part: plimsoll=off, plimsoll=nomem,nocpu (docs/operating.md).
Signals: SIGTERM and SIGINT stop it, SIGHUP reads the policy again.
Exit codes: 0 done, 1 fault (another guard is on the scope), 2 usage, 3 bad policy, 4 unsupported host, 5 not permitted.`;

/** `plimsoll run`: guards until it is told to stop. */
export function runCommand(): Command {
  return new Command("run")
    .description("guard the host, or one cgroup, until told to stop")
    .option("--config <file>", "policy file (TOML); what it does not say is as in the profile")
    .option("--profile <name>", "ready policy underneath the file")
    .option("--scope <cgroup>", '"host", or a memory cgroup\'s path such as /machine/build')
    .option("--dry-run", "decide and record, but signal nobody and move no limit")
    .option("--duration <time>", 'stop after this time, such as "5s" or "2h"')
    .option("--callbacks <file>", "module with functions of your own for an application's levels (FILE.mjs)")
    .option("--exit-with-application", "end when the application has ended; else wait for it to come again")
    .option("--monitor-log <file>", "write the NSO measurement tool's own lines to this file")
    .option(
      "--dataset <dir>",
      "record what is sampled in a new dataset below this directory (plimsoll report)",
    )
    .option("--log-json", "log as JSON lines")
    .addHelpText("after", EXAMPLES)
    .action(run);
}

async function run(options: RunOptions): Promise<void> {
  startSmall();
  // Node pipes the output of each worker to ours, with listeners of its own (worker_threads), and warns above ten.
  for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0);
  const durationMs = durationOf(options.duration);
  const request = {
    file: options.config,
    profile: options.profile,
    overrides: {
      scope: options.scope,
      dryRun: options.dryRun,
      app: applicationsOf(options),
      dataset: options.dataset === undefined ? undefined : path.resolve(options.dataset),
    },
  };
  const switches = readSwitches(HOST_ROOTS.proc, process.env);
  const load = (): Policy => applySwitches(loadPolicyApart(request), switches);
  const policy = load();
  const uid = process.getuid?.() ?? 0;
  const places = placesFor(policy.scope, uid, process.env);
  const log = await openLog(options.logJson === true);
  if (switches.off) {
    const told = untilTold(durationMs, () => log.info("SIGHUP changes nothing: everything is switched off"));
    const { auditPath } = places;
    await idle({ policy, switches, auditPath, kernelLogPath: HOST_ROOTS.kmsg, log }, told);
    process.exit(ExitCode.done);
  }
  let leave = (_reason: string): void => undefined;
  const left = new Promise<string>((resolve) => (leave = resolve));
  const guard = new Guard({
    policy,
    roots: HOST_ROOTS,
    places,
    version: packageVersion(),
    uid,
    log,
    loadPolicy: load,
    switches,
    leave: (reason) => leave(reason),
    allowFaults: process.env["PLIMSOLL_ALLOW_FAULTS"] === "1",
  });
  const told = Promise.race([untilTold(durationMs, () => guard.reload()), left]);
  try {
    await guard.start();
    settle();
    const stopLive = showLive(guard);
    const reason = await told;
    stopLive();
    const last = guard.status();
    await guard.stop(reason);
    process.stdout.write(summary(last, reason));
  } catch (error) {
    await guard.stop("failed to start");
    // After the error was told: a thread that is blocked in the kernel would keep the process.
    setImmediate(() => process.exit());
    throw error;
  }
  // What is left may be a thread that is blocked in the kernel; nothing waits for it.
  process.exit(process.exitCode ?? ExitCode.done);
}

/** Paths as they are meant where the command was given; a guard that reads its policy anew means the same. */
function applicationsOf({ callbacks, exitWithApplication, monitorLog }: RunOptions): ApplicationOverrides {
  return {
    callbacks: callbacks === undefined ? undefined : path.resolve(callbacks),
    exitWithApplication,
    monitorLog: monitorLog === undefined ? undefined : path.resolve(monitorLog),
  };
}

function durationOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const parsed = parseDuration(text);
  if (parsed.ok) return parsed.value;
  throw new Fault(ExitCode.usage, `--duration: expected ${parsed.expected}, found ${parsed.found}`);
}

/** Resolves with the reason to stop. */
function untilTold(durationMs: number | null, reload: () => void): Promise<string> {
  return new Promise((resolve) => {
    process.on("SIGTERM", () => resolve("SIGTERM"));
    process.on("SIGINT", () => resolve("SIGINT"));
    process.on("SIGHUP", reload);
    if (durationMs !== null) setTimeout(() => resolve("the duration is over"), durationMs);
  });
}

/** Shows headroom while the guard runs, when somebody reads stdout. @returns how to stop it */
function showLive(guard: Guard): () => void {
  const terminal = process.stdout.isTTY;
  const show = (): void => {
    const line = liveLine(guard.status(), terminal ? process.stdout.columns : Number.POSITIVE_INFINITY);
    process.stdout.write(terminal ? `\r\x1b[K${line}` : `${line}\n`);
  };
  show();
  const timer = setInterval(show, terminal ? LIVE_TERMINAL_MS : LIVE_PLAIN_MS);
  return () => {
    clearInterval(timer);
    if (terminal) process.stdout.write("\r\x1b[K");
  };
}
