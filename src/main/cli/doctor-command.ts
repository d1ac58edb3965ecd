import { Command } from "commander";
import { HOST_ROOTS } from "../../workers/common/roots.ts";
import { packageVersion } from "./version.ts";

const EXAMPLES = `
Examples:
  plimsoll doctor                         what this host lets the guard do
  plimsoll doctor --scope /build          the same for one memory cgroup
  plimsoll doctor --json | jq -r '.checks[] | select(.state != "ok") | .name'

Exit codes: 0 guarding is possible, 2 usage, 3 bad policy, 4 not possible here, 5 possible, but not for this user.`;

interface DoctorOptions {
  readonly config?: string;
  readonly profile?: string;
  readonly scope?: string;
  readonly json?: boolean;
}

/** `plimsoll doctor`: what this host lets the guard do, found out by doing it; leaves nothing behind. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("show what this host lets the guard do, and what is not covered")
    .option("--config <file>", "policy file (TOML) whose scope is looked at")
    .option("--profile <name>", "ready policy underneath the file")
    .option("--scope <cgroup>", '"host", or a memory cgroup\'s path such as /machine/build')
    .option("--json", "print it as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (options: DoctorOptions) => {
      // Here and not above: the guard shall not carry what only the doctor needs.
      const [{ loadPolicy }, { examine }, { examinationText }] = await Promise.all([
        import("../config/load-policy.ts"),
        import("../doctor/examine.ts"),
        import("../doctor/report.ts"),
      ]);
      const { config: file, profile } = options;
      const { scope, vm } = loadPolicy({ file, profile, overrides: { scope: options.scope } });
      const uid = process.getuid?.() ?? 0;
      const found = await examine({ roots: HOST_ROOTS, scope, uid, vmUri: vm.uri });
      const json = { version: packageVersion(), ...found };
      process.stdout.write(
        options.json === true ? `${JSON.stringify(json, null, 2)}\n` : examinationText(found),
      );
      process.exitCode = found.exitCode;
    });
}
