import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mutationsOf } from '../../../test/graph/mutate.ts';
import { DynaError } from '../../errors.ts';
import { ndarray } from '../array.ts';
import { decodeModel, encodeModel, type OnnxGraph, type OnnxModel, stripDefaults } from './index.ts';

const branch = (name: string, depth: number): OnnxGraph => ({
  name,
  nodes: [
    {
      op: depth > 0 ? 'If' : 'Conv',
      domain: '',
      name: `${name}/node`,
      inputs: ['x', 'w', ''],
      outputs: ['y'],
      attributes:
        depth > 0
          ? {
              then_branch: { kind: 'graph', value: branch(`${name}t`, depth - 1) },
              else_branch: { kind: 'graph', value: branch(`${name}e`, depth - 1) },
            }
          : { strides: { kind: 'ints', value: [1, 2] }, alpha: { kind: 'float', value: 0.5 } },
    },
  ],
  inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 3, null] }],
  outputs: [{ name: 'y', dtype: 'int64', shape: undefined }],
  initializers: [
    { name: 'x', ...ndarray('float32', [2, 3], [1, 2, 3, 4, 5, 6]) },
    { name: 'n', ...ndarray('int64', [2], [-1, 5]) },
  ],
  strings: [{ name: 's', dims: [1], values: ['word'] }],
  values: [],
});

const seed: OnnxModel = {
  irVersion: 8,
  opsets: { '': 17, 'com.microsoft': 1 },
  producer: 'fuzz',
  producerVersion: '1',
  docString: '',
  metadata: { key: 'value' },
  graph: branch('g', 2),
};
const seedBytes = encodeModel(seed);

const mutated = mutationsOf(seedBytes);

/** What came of it; anything but a model or a DynaError of code `model` escapes. */
function attempt(action: () => OnnxModel | Uint8Array): OnnxModel | Uint8Array | undefined {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof DynaError) || error.code !== 'model') throw error;
    expect(error.message.length).toBeLessThan(600);
    return undefined;
  }
}

test('mutated files are read or refused, with little memory; what is read can be written and read again', () => {
  const outcomes = { read: 0, refused: 0 };
  const runs = 4000;
  const before = process.memoryUsage().rss;
  fc.assert(
    fc.property(mutated, (bytes) => {
      const model = attempt(() => decodeModel(bytes)) as OnnxModel | undefined;
      outcomes[model ? 'read' : 'refused']++;
      if (model === undefined) return;
      const written = encodeModel(model);
      expect(decodeModel(written)).toEqual({ ...model, notes: undefined });
    }),
    { numRuns: runs, seed: 1 },
  );
  // Both happen often, else the mutations test nothing; damage to names and numbers cannot be noticed.
  expect(outcomes.read).toBeGreaterThan(runs / 50);
  expect(outcomes.refused).toBeGreaterThan(runs / 2);
  expect(process.memoryUsage().rss - before).toBeLessThan(500 * 2 ** 20);
});

test('stripDefaults cuts mutated files or refuses them', () => {
  const outcomes = { cut: 0, refused: 0 };
  fc.assert(
    fc.property(mutated, (bytes) => {
      outcomes[attempt(() => stripDefaults(bytes, ['x'])) ? 'cut' : 'refused']++;
    }),
    { numRuns: 2000, seed: 2 },
  );
  expect(Math.min(outcomes.cut, outcomes.refused)).toBeGreaterThan(40);
});

test('random bytes are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(attempt(() => decodeModel(bytes))).toBeUndefined();
    }),
    { numRuns: 3000, seed: 3 },
  );
});
