import type { Reporter, TestModule } from 'vitest/node';

/** Ends the run with one plain line, which any continuous integration can read: `N passed, N failed`. */
// biome-ignore lint/style/noDefaultExport: vitest loads a reporter by its default export.
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    // A module that could not be loaded has no tests of its own, so it counts as one that failed.
    let failed = errors.length;
    let skipped = 0;
    for (const module of modules) {
      const tests = [...module.children.allTests()].map((test) => test.result().state);
      passed += tests.filter((state) => state === 'passed').length;
      skipped += tests.filter((state) => state === 'skipped').length;
      const broken = tests.filter((state) => state === 'failed').length;
      failed += broken === 0 && module.state() === 'failed' ? 1 : broken;
    }
    process.stdout.write(`\n${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}\n`);
  }
}
