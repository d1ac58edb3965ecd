import { defineConfig } from "vitest/config";

// Worker threads and the command line run as built: test/support/build.ts builds once before all tests.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/lab/**", "node_modules/**"],
    globalSetup: ["test/support/build.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Tests with guards and cgroups of their own measure time: not beside each other.
    fileParallelism: false,
  },
});
