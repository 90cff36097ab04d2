import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    // Nets of tests are too small to be worth deciding in; what the planner says of them is tested by itself.
    execArgv: ['--disable-warning=DYNA_PLAN'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
