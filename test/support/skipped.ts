import type { Reporter, TestCase, TestModule } from "vitest/node";

/** Says at the end, in one list, which tests did not run here, and why. */
export class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        lines.push(`  ${module.relativeModuleId}: ${test.fullName}\n    ${whyOf(test)}`);
      }
    }
    if (lines.length > 0) process.stdout.write(`\nSkipped here, and why:\n${lines.join("\n")}\n`);
  }
}

function whyOf(test: TestCase): string {
  const result = test.result();
  if (result.state === "skipped" && result.note !== undefined) return result.note;
  for (let above = test.parent; ; above = above.parent) {
    if (above.errors().length > 0) return "what sets it up has failed: see above";
    if (above.type === "module") return "it says no reason";
  }
}
