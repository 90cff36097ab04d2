import { expect, it } from 'vitest';
import { randomInput, randomWeights } from '../../../test/support/build-net.ts';
import { encodeModel, MaxPool, type Node, order, type Tensor, toOnnx } from '../../graph/index.ts';
import { classify, conv, residual } from '../../nn/index.ts';
import { blockSize, profile } from '../../runtime/index.ts';
import { exit, net } from '../net.ts';
import type { Net } from '../traced.ts';
import { sparse } from './sparse.ts';
import { cut } from './static.ts';

const common = { norm: 'batch', activation: 'relu' } as const;
const behind = (channels: number, rest: (x: Tensor) => Tensor): Net =>
  net({ input: [3, 8, 8], classes: 4, name: 'behind', onWarning: () => {} }, (x) =>
    classify(rest(exit(conv(x, channels, common), { head: classify, name: 'early' }))),
  );
const pools = (nodes: readonly Node[]): number => nodes.filter(({ op }) => op === (MaxPool as unknown)).length;
const inFile = (made: Net, form: 'rows' | 'branch'): number => {
  const { output, trace } = sparse(made, {}, { form });
  return pools(order([output, trace!]));
};

it.each([
  ['residual blocks begin anew, once', 1, behind(16, (x) => residual(residual(x, 16), 16))],
  ['a projection makes the shortcut itself', 0, behind(16, (x) => residual(x, 32, { stride: 2 }))],
  ['24 channels do not fill the engine’s blocks', 0, behind(24, (x) => residual(x, 24))],
  ['plain layers have no sum', 0, behind(16, (x) => conv(x, 16, common))],
])('behind a decision %s', (_, expected, made) => {
  for (const form of ['rows', 'branch'] as const) expect(inFile(made, form)).toBe(expected);
});

it('leaves the sum of such a block to its convolution, where the engine works in blocks', async (context) => {
  if ((await blockSize()) === undefined) context.skip();
  const made = behind(16, (x) => residual(x, 16));
  const weights = randomWeights(made, 1);
  const sums = async ({ output }: { output: Tensor }) => {
    const bytes = encodeModel(toOnnx({ logits: output }, { weights }));
    const { ops } = await profile(bytes, { input: randomInput(made, 2, 1) }, { optimization: 'all', runs: 1 });
    return ops.filter(({ op }) => op === 'Add' || op === 'Relu').length;
  };
  expect(await sums(cut(made, { early: 'continue' }))).toBe(0);
  expect(await sums(sparse(made, { early: Number.POSITIVE_INFINITY }))).toBe(0);
});
