import { defineConfig } from "vitest/config";
import { reportersFor } from "./test/support/reporters.ts";

// Worker threads and the command line run as built: test/support/build.ts builds once before all tests.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/lab/**", "node_modules/**"],
    // .ci/run counts what ran from vitest's own results.
    reporters: reportersFor(process.env["PLIMSOLL_TEST_JSON"]),
    globalSetup: ["test/support/build.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Tests with guards and cgroups of their own measure time: not beside each other.
    fileParallelism: false,
  },
});
