import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Real servers, namespaces and key generation run in these suites; a slow machine is not a failure.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    globalSetup: [],
  },
});
