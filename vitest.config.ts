import { defineConfig } from 'vitest/config';

const slow = ['test/docs/**', 'test/e2e/**', 'test/infra/**', 'test/simulation/**'];

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: slow, testTimeout: 180_000 } },
      {
        extends: true,
        test: { name: 'infra', include: ['test/infra/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 60_000 },
      },
      { extends: true, test: { name: 'docs', include: ['test/docs/**/*.test.ts'], testTimeout: 180_000 } },
      { extends: true, test: { name: 'simulation', include: ['test/simulation/**/*.test.ts'], testTimeout: 600_000 } },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          // Alone, after all others: each of them starts a whole stack.
          sequence: { groupOrder: 1 },
        },
      },
    ],
    pool: 'forks',
    maxWorkers: 2,
    isolate: false,
    setupFiles: ['./test/setup.ts'],
    globalSetup: './test/temporary-folder.ts',
    reporters: ['default', './test/reporter.ts'],
  },
});
