import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Most of a suite's time is waiting for processes that it started, so that one a core is not enough on a small machine.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Real servers, namespaces and key generation run in these suites; a slow machine is not a failure.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    globalSetup: [],
  },
});
