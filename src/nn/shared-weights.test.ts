import { expect, it } from 'vitest';
import { add, fresh, input, ndarray, scope, slice, type Tensor } from '../graph/index.ts';
import { numbers } from './fixtures/run.ts';
import { conv, linear } from './layers/index.ts';
import { paramsOf } from './params.ts';
import { sharedWeights } from './shared-weights.ts';

it('makes weights once, and all else for each call', () => {
  const y = fresh(() => {
    const once = sharedWeights();
    const x = input('x', ['N', 2, 4, 4]);
    const side = (name: string) => scope(name, () => once(() => conv(x, 3, { norm: 'batch', name: 'conv' })));
    return add(side('left'), side('right'));
  });
  expect(paramsOf([y]).map((p) => p.name)).toEqual([
    'left/conv/weight',
    ...['left', 'right'].flatMap((s) => ['scale', 'bias', 'mean', 'variance'].map((n) => `${s}/conv/norm/${n}`)),
  ]);
});

it('computes with the one weight, through the view of it that a call gets', async () => {
  const x = ndarray('float32', [1, 2], [1, 10]);
  const view = (w: Tensor, [rows]: readonly number[]) => slice(w, [{ axis: 0, start: 0, end: rows! }]);
  const made = (size: number, once: ReturnType<typeof sharedWeights>, name: string) =>
    scope(name, () => once(() => linear(input('x', [1, 2]), size, { bias: false, name: 'map' })));
  const [wide, narrow] = fresh(() => {
    const once = sharedWeights(view);
    return [made(3, once, 'a'), made(1, once, 'b')] as const;
  });
  const weights = new Map([['a/map/weight', ndarray('float32', [3, 2], [1, 2, 3, 4, 5, 6])]]);
  expect(await numbers(wide, { x }, weights)).toEqual([21, 43, 65]);
  expect(await numbers(narrow, { x }, weights)).toEqual([21]);
});

it('knows a call in no scope, and refuses what it could not share', () => {
  const x = input('x', ['N', 2]);
  const map = (size: number) => linear(x, size, { bias: false, name: 'map' });
  const shared = fresh(() => {
    const once = sharedWeights();
    return add(
      once(() => map(3)),
      scope('b', () => once(() => map(3))),
    );
  });
  expect(paramsOf([shared]).map((p) => p.name)).toEqual(['map/weight']);
  const once = sharedWeights();
  fresh(() => scope('a', () => once(() => map(3))));
  expect(() => fresh(() => scope('a', () => once(() => map(3))))).toThrow('traced twice in the scope "a"');
  expect(() => fresh(() => scope('c', () => once(() => map(5))))).toThrow(
    /weight "c\/map\/weight" should be \[5, 2\], but the first call made it \[3, 2\]/,
  );
});
