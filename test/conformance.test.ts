import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { conformancePage, type Results } from './conformance/page.ts';
import { findSuites } from './conformance/suites.ts';
import { passing, runSuite, unstored } from './conformance/tally.ts';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const results = JSON.parse(read('results/conformance.json')) as Results;

const found = findSuites();
afterAll(found.clean);
const title = "ONNX's own backend tests";
if (found.missing)
  console.warn(
    `NOT RUN: "${title}" (${found.missing}). They come with the Python package onnx: pip install onnx, and name the Python in DYNANEURAL_PYTHON.`,
  );

test('docs/conformance.md is what the results make', () => {
  expect(read('docs/conformance.md')).toBe(conformancePage(results));
});

test('the committed results hold nothing wrong', () => {
  for (const [suite, tallies] of Object.entries(results.suites))
    for (const [op, { wrong }] of Object.entries(unstored(tallies))) expect(wrong, `${suite}, ${op}`).toEqual({});
});

describe.skipIf(found.missing)(title, () => {
  test.each(found.suites.map((s) => [s.name, s] as const))(
    '%s: nothing is wrong, and what the page counts as passing passes',
    async (name, suite) => {
      const committed = results.suites[name];
      const tallies = await runSuite(suite);
      const here = new Set(suite.cases.map((folder) => folder.replace(/^.*[/\\](test_)?/, '')));
      const lost: string[] = [];
      for (const [op, tally] of Object.entries(tallies)) expect(tally.wrong, op).toEqual({});
      for (const [op, tally] of Object.entries(unstored(committed ?? {}))) {
        const now = new Set(tallies[op] ? passing(tallies[op]) : []);
        for (const c of passing(tally)) if (here.has(c) && !now.has(c)) lost.push(`${op}: ${c}`);
      }
      expect(lost).toEqual([]);
      const count = Object.values(tallies).reduce((n, t) => n + passing(t).length, 0);
      expect(count, 'hardly anything was run').toBeGreaterThan(200);
    },
    300_000,
  );
});
