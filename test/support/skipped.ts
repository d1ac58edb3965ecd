import type { Reporter, TestModule } from "vitest/node";

/** Says at the end, in one list, which tests did not run here, and why. */
export class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        const result = test.result();
        const why = result.state === "skipped" ? (result.note ?? "it says no reason") : "";
        lines.push(`  ${module.relativeModuleId}: ${test.fullName}\n    ${why}`);
      }
    }
    if (lines.length > 0) process.stdout.write(`\nSkipped here, and why:\n${lines.join("\n")}\n`);
  }
}
