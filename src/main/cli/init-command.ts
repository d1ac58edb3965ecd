import path from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { ExitCode, Fault } from "../../core/fault.ts";
import { systemdUnit } from "../init/systemd-unit.ts";
import { template } from "../init/templates.ts";
import { writeNew } from "../init/write-new.ts";
import { GUARD_NODE_FLAGS } from "./node-flags.ts";

const EXAMPLES = `
Examples:
  plimsoll init --callbacks                       callbacks.mjs, with a function for each level
  plimsoll init --policy /etc/plimsoll.toml       a policy to begin with
  plimsoll init --systemd --profile nso           plimsoll.service, which runs that profile
  plimsoll init --systemd /etc/systemd/system/plimsoll.service --config /etc/plimsoll.toml
  plimsoll init --systemd - | less                to look at only

What is there already is never overwritten. "-" writes to stdout.
Exit codes: 0 done, 1 fault (there is one already), 2 usage, 3 bad policy (of --config).`;

interface InitOptions {
  readonly callbacks?: string | true;
  readonly policy?: string | true;
  readonly systemd?: string | true;
  readonly profile?: string;
  readonly config?: string;
}

/** `plimsoll init`: writes files to begin with. */
export function initCommand(): Command {
  return new Command("init")
    .description("write a policy, a module of callbacks or a systemd unit to begin with")
    .option("--callbacks [file]", "a module of callbacks, typed (default: callbacks.mjs)")
    .option("--policy [file]", "a policy (default: plimsoll.toml)")
    .option("--systemd [file]", "a systemd unit (default: plimsoll.service)")
    .option("--profile <name>", "the profile that the unit runs")
    .option("--config <file>", "the policy file that the unit runs")
    .addHelpText("after", EXAMPLES)
    .action(init);
}

async function init(options: InitOptions): Promise<void> {
  const { callbacks, policy, systemd, profile, config } = options;
  if ((callbacks ?? policy ?? systemd) === undefined) {
    throw new Fault(
      ExitCode.usage,
      "expected --callbacks, --policy or --systemd, found none; say what to write",
    );
  }
  const idle = profile === undefined ? (config === undefined ? null : "--config") : "--profile";
  if (systemd === undefined && idle !== null) {
    throw new Fault(
      ExitCode.usage,
      `${idle}: expected --systemd beside it, found none; it says what the unit runs`,
    );
  }
  // The unit first: what it runs may be wrong, and then nothing is written.
  const unit = systemd === undefined ? null : await unitOf(profile, config);
  if (unit !== null) writeNew(fileOf(systemd, "plimsoll.service"), unit);
  if (callbacks !== undefined) writeNew(fileOf(callbacks, "callbacks.mjs"), template("callbacks.mjs"));
  if (policy !== undefined) writeNew(fileOf(policy, "plimsoll.toml"), template("plimsoll.toml"));
}

function fileOf(option: string | true | undefined, usual: string): string {
  return typeof option === "string" ? option : usual;
}

/** @throws Fault as loadPolicy does: a unit whose policy is bad would not start */
async function unitOf(profile: string | undefined, config: string | undefined): Promise<string> {
  const { loadPolicy } = await import("../config/load-policy.ts");
  const file = config === undefined ? undefined : path.resolve(config);
  const { app } = loadPolicy({ file, profile });
  return systemdUnit({
    program: [process.execPath, ...GUARD_NODE_FLAGS, fileURLToPath(new URL("./bin.js", import.meta.url))],
    profile: profile ?? null,
    config: file ?? null,
    endsByItself: app.exitWithApplication,
  });
}
