import fs from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../programs/build.ts";
import type { VmShape } from "./scenario.ts";
import { runVm } from "./vm.ts";

/** How one test went in the guest. */
export interface GuestTest {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped" | "pending" | "todo";
  readonly failures: readonly string[];
}

interface VitestJson {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: GuestTest["status"];
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** The option of vitest that names tests, for a shell. */
function pattern(names: readonly string[]): string {
  if (names.length === 0) return "";
  const texts = names.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return ` -t '${`^(${texts.join("|")})$`.replaceAll("'", "'\\''")}'`;
}

/**
 * Runs test files of this project in a VM, with vitest.
 * @param share a directory for the results, and what else is to be kept
 * @param only the full names of the tests to be run; all of the files' when not given
 * @throws Error with the guest's output when there are no results
 */
export async function testInside(
  shape: VmShape,
  share: string,
  files: readonly string[],
  only: readonly string[] = [],
): Promise<readonly GuestTest[]> {
  const json = join(share, "guest.json");
  const vitest = [
    "node",
    "node_modules/vitest/vitest.mjs",
    "run",
    "--config",
    "test/lab/guest/vitest.config.ts",
  ];
  const command = `cd '${projectRoot}' && PLIMSOLL_PATIENCE=6 PLIMSOLL_TEST_JSON='${json}' ${[...vitest, ...files].join(" ")}${pattern(only)}`;
  const run = { shape, share, timeoutMs: 600_000, kernelLog: join(share, "kernel.log") };
  const { status, output } = await runVm(run, ["sh", "-c", command]);
  fs.writeFileSync(join(share, "guest.log"), output);
  if (!fs.existsSync(json))
    throw new Error(`expected results of the guest, it ended with ${status}: ${output}`);
  const { testResults } = JSON.parse(fs.readFileSync(json, "utf8")) as VitestJson;
  return testResults.flatMap(({ message, assertionResults }) => {
    if (assertionResults.length === 0) throw new Error(`a file of tests failed in the guest: ${message}`);
    return assertionResults.map(({ fullName, status: how, failureMessages }) => ({
      name: fullName,
      status: how,
      failures: failureMessages,
    }));
  });
}
