import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const src = (path: string): string => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

export default defineConfig({
  // The systems import the package by its name, as users do.
  resolve: {
    alias: [
      { find: /^dynaneural$/, replacement: src('index.ts') },
      { find: /^dynaneural\/(\w+)$/, replacement: src('$1/index.ts') },
    ],
  },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'systems/**/*.test.ts'],
    pool: 'forks',
    // Nets of tests are too small to be worth deciding in; what the planner says of them is tested by itself.
    execArgv: ['--disable-warning=DYNA_PLAN'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    setupFiles: ['test/support/seed.ts'],
  },
});
