import net from "node:net";
import { Command } from "commander";
import { ExitCode, Fault } from "../../core/fault.ts";
import { formatDuration } from "../../core/units.ts";
import type { ResourceStatus } from "../../core/resources/report.ts";
import type { CgroupFigures } from "../../core/rescue/figures.ts";
import { placesFor } from "../coordinator/places.ts";
import type { GuardStatus } from "../coordinator/status.ts";
import { cgroupTable } from "./cgroup-table.ts";
import { memoryRow, type ResourceRow, resourceTable, statusTable } from "./resource-table.ts";
import { liveLine, summary } from "./terminal.ts";

const ANSWER_LIMIT_MS = 3000;

const EXAMPLES = `
Examples:
  plimsoll status                         the guard of the host
  plimsoll status --scope /build          the guard of one cgroup
  plimsoll status --cgroups               what its cgroups use, and what was lent
  plimsoll status --json | jq .memory.availableBytes
  plimsoll status --json | jq -c '.resources[] | [.resource, .subject, .level]'

Exit codes: 0 done, 1 no guard runs there, 5 it is another user's.`;

/** `plimsoll status`: what the running guard sees and has done, asked over its socket. */
export function statusCommand(): Command {
  return new Command("status")
    .description("show what the running guard sees and has done")
    .option("--scope <cgroup>", "which guard, when there are several", "host")
    .option("--cgroups", "what is known of the cgroups that it follows")
    .option("--json", "print it as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (options: { scope: string; json?: boolean; cgroups?: boolean }) => {
      const places = placesFor(options.scope, process.getuid?.() ?? 0, process.env);
      if (options.cgroups === true) {
        const { cgroups } = await ask<CgroupAnswer>("cgroups", places.socketPath, options.scope);
        process.stdout.write(
          options.json === true ? `${JSON.stringify(cgroups, null, 2)}\n` : cgroupTable(cgroups),
        );
        return;
      }
      const status = await ask<GuardStatus>("status", places.socketPath, options.scope);
      const resources = await resourcesOf(status, places.socketPath, options.scope);
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify({ ...status, resources }, null, 2)}\n`
          : toText(status, resources),
      );
    });
}

/**
 * Memory, and what the guard's analysis says of the others. One that is too busy to answer keeps nobody from the rest:
 * then null, and a word on stderr.
 */
async function resourcesOf(
  status: GuardStatus,
  socketPath: string,
  scope: string,
): Promise<readonly ResourceRow[] | null> {
  try {
    const answer = await ask<ResourceAnswer>("resources", socketPath, scope);
    return [memoryRow(status), ...answer.resources];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    process.stderr.write(`plimsoll: of other resources than memory nothing is known now: ${error.message}\n`);
    return null;
  }
}

interface ResourceAnswer {
  readonly resources: readonly ResourceStatus[];
}

interface CgroupAnswer {
  readonly cgroups: readonly CgroupFigures[];
}

/** Asks a guard over its socket. @throws Fault when none answers, or says that it cannot */
async function ask<T extends object>(what: string, socketPath: string, scope: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(socketPath);
    let text = "";
    socket.setEncoding("utf8");
    socket.setTimeout(ANSWER_LIMIT_MS, () =>
      socket.destroy(new Error(`no answer within ${ANSWER_LIMIT_MS} ms`)),
    );
    socket.on("connect", () => socket.write(`${JSON.stringify({ ask: what })}\n`));
    socket.on("data", (part: string) => {
      text += part;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => reject(asFault(error, socketPath, scope)));
    socket.on("end", () => {
      try {
        const answer = JSON.parse(text) as T | { readonly error: string };
        if ("error" in answer) reject(new Fault(ExitCode.fault, `the guard of ${scope}: ${answer.error}`));
        else resolve(answer);
      } catch {
        reject(
          new Fault(
            ExitCode.fault,
            `expected an answer in JSON from ${socketPath}, found ${text.length} bytes of something else`,
          ),
        );
      }
    });
  });
}

function asFault(error: NodeJS.ErrnoException, socketPath: string, scope: string): Fault {
  if (error.code === "EACCES" || error.code === "EPERM") {
    return new Fault(
      ExitCode.notPermitted,
      `${socketPath} may only be opened by its owner; ask as that user, or as root`,
    );
  }
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED") {
    return new Fault(
      ExitCode.fault,
      `no guard of ${scope} answers at ${socketPath}; start one with "plimsoll run", or name its --scope`,
    );
  }
  return new Fault(ExitCode.fault, `${socketPath}: ${error.message}`);
}

function tableText(status: GuardStatus, resources: readonly ResourceRow[] | null): string {
  const nowMs = Date.now();
  // A cgroup has neither disks nor interfaces of its own.
  return resources === null || status.scope !== "host"
    ? resourceTable(resources ?? [memoryRow(status)], nowMs)
    : statusTable(resources, status.guards, nowMs);
}

function toText(status: GuardStatus, resources: readonly ResourceRow[] | null): string {
  const dryRun = status.dryRun ? ", dry run" : "";
  const head = `plimsoll ${status.version}, pid ${status.pid}, policy ${status.policy}${dryRun}`;
  const threads = status.workers.map(({ name, life, silentMs, ready, resting }) => {
    const state = `${!ready ? "starting" : resting ? "waiting" : "at work"}, heard of ${formatDuration(silentMs)} ago`;
    return `  ${name.padEnd(10)} ${state}${life > 1 ? `, life ${life}` : ""}`;
  });
  return [
    head,
    liveLine(status, Number.POSITIVE_INFINITY),
    tableText(status, resources).trimEnd(),
    ...threads,
    summary(status, "still guarding"),
  ].join("\n");
}
