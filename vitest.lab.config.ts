import { defineConfig } from "vitest/config";
import { reportersFor } from "./test/support/reporters.ts";

// A play takes up to a minute, and VMs beside each other would measure each other.
export default defineConfig({
  test: {
    include: ["test/lab/**/*.test.ts"],
    testTimeout: 15 * 60_000,
    hookTimeout: 15 * 60_000,
    fileParallelism: false,
    reporters: reportersFor(process.env["PLIMSOLL_TEST_JSON"], "verbose"),
  },
});
