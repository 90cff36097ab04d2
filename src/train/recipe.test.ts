import { expect, it } from 'vitest';
import { differences, type Recipe } from './recipe.ts';

const recipe: Recipe = {
  ...{ net: 'a', parameters: ['w [1]'], batch: 8, seed: 1, optimizer: 'sgd', augment: '{}' },
  ...{ data: 'b', dataName: 'digits', step: 'c' },
};

it('another CPU is told as such, not as another net', () => {
  const then = { ...recipe, block: 16 };
  const now = { ...recipe, net: 'other', step: 'other' };
  expect(differences(then, { ...now, block: 8 })).toEqual([
    "the engine's blocks of channels (16, now 8): it was begun on another CPU",
  ]);
  expect(differences(then, now)[0]).toContain('(16, now none)');
  expect(differences(then, { ...then })).toEqual([]);
  // Written before blocks were told.
  expect(differences(recipe, then)).toEqual([]);
});
