import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/**
 * Tests of this machine's own, run in the guest: on cgroup v2, with all capabilities, where everything takes several
 * times as long. dist is the host's: it was built before.
 */
export default defineConfig({
  root: fileURLToPath(new URL("../../..", import.meta.url)),
  test: {
    include: ["test/kernel/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    reporters: ["verbose", ["json", { outputFile: process.env["PLIMSOLL_TEST_JSON"] ?? "/tmp/guest.json" }]],
  },
});
