import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { currentReadme } from '../bench/figures.ts';

test('the figures of README.md are those of results/*.json', () => {
  expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toBe(currentReadme());
});
