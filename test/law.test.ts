import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { realise } from './support/build-net.ts';
import { holdLaw, nothingSeen } from './support/hold-law.ts';
import { randomCase, runs } from './support/random-nets.ts';

const seen = nothingSeen();

describe('the law', () => {
  it('masked, sparse, branch and static forms agree on random nets', async () => {
    await fc.assert(
      fc.asyncProperty(randomCase(), (one) => holdLaw({ ...realise(one), picks: one.thresholds }, seen)),
      { numRuns: runs(50), ...(process.env.DYNANEURAL_SEED ? { seed: Number(process.env.DYNANEURAL_SEED) } : {}) },
    );
  }, 3_600_000);

  afterAll(() => {
    expect(seen.clear, JSON.stringify(seen)).toBeGreaterThan(0.9 * seen.rows);
    for (const value of ['first', 'other', 'unreached'] as const)
      expect(seen[value], JSON.stringify(seen)).toBeGreaterThan(seen.nets);
    if (process.env.DYNANEURAL_RUNS) console.log(seen);
  });
});
