import {
  AveragePool,
  apply,
  applyAll,
  averagePool,
  type ConvOptions,
  convAttrs,
  globalAveragePool,
  MaxPool,
  type PoolOptions,
  type Shape,
} from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/pool.ts';
import type { Case } from '../check.ts';
import { mean, reduce } from '../dense.ts';
import * as naive from '../windows.ts';
import type { RowsOf } from './rows.ts';

const window = (kernel: number[], o: ConvOptions) => {
  const { group, ...a } = convAttrs(kernel, { ...o, stride: o.stride ?? kernel });
  return a;
};

const largest = (name: string, x: Shape, kernel: number[], o: PoolOptions = {}, N?: number[]): Case => {
  const a = window(kernel, o);
  return {
    name,
    inputs: [{ shape: x }],
    ...(N ? { N } : {}),
    build: ([p]) => applyAll(MaxPool, [p], { ...a, ceil_mode: o.ceilMode ? 1 : 0 }),
    reference: ([p]) => [naive.maxPool(p!, kernel, a, o.ceilMode), naive.maxPoolPlaces(p!, kernel, a, o.ceilMode)],
  };
};

const average = (
  name: string,
  x: Shape,
  kernel: number[],
  { countPads = false, ...o }: PoolOptions & { countPads?: boolean } = {},
  N?: number[],
): Case => {
  const a = window(kernel, o);
  return {
    name,
    inputs: [{ shape: x }],
    ...(N ? { N } : {}),
    ...(o.ceilMode ? { wrt: [] } : {}),
    build: ([p]) =>
      countPads ? apply(AveragePool, [p], { ...a, ceil_mode: 0, count_include_pad: 1 }) : averagePool(p!, kernel, o),
    reference: ([p]) => naive.averagePool(p!, kernel, a, countPads, o.ceilMode),
  };
};

export const poolRows: RowsOf<typeof room> = {
  MaxPool: [
    largest('2x2', ['N', 2, 4, 6], [2, 2], {}, [2, 1, 0]),
    largest('3x3, stride 2, padding 1 (windows overlap)', [2, 2, 5, 6], [3, 3], { stride: 2, padding: 1 }),
    largest('rim left over', [1, 1, 5, 4], [2, 3]),
    largest('ceil mode', [1, 2, 5, 6], [2, 2], { ceilMode: true, stride: [2, 3] }),
    largest('ceil mode, the last window would begin in the padding', [1, 1, 5, 5], [2, 2], {
      ceilMode: true,
      stride: 3,
      padding: 1,
    }),
    largest('dilation', [1, 1, 6, 5], [2, 2], { dilation: 2, stride: 1 }),
    largest('one spatial axis', ['N', 2, 7], [3], { stride: 2 }, [2, 0]),
    largest('the whole image', ['N', 1, 2, 2], [2, 2], {}, [3, 0]),
  ],
  AveragePool: [
    average('2x2', ['N', 2, 4, 6], [2, 2], {}, [2, 1, 0]),
    average('3x3, stride 2, padding does not count', [1, 2, 5, 4], [3, 3], { stride: 2, padding: 1 }),
    average('padding counts', [1, 2, 5, 4], [3, 3], { stride: 2, padding: 1, countPads: true }),
    average('rim left over', [1, 1, 5, 6], [2, 3]),
    average('stride above the window', [1, 1, 8, 7], [2, 2], { stride: 3 }),
    average('sides padded differently', [1, 1, 4, 5], [2, 2], { stride: 1, padding: [1, 0, 0, 1] }),
    average('ceil mode, forward', [1, 1, 5, 5], [2, 2], { ceilMode: true }),
    average('one spatial axis', ['N', 2, 6], [3], { stride: 1, padding: 1 }, [2, 0]),
  ],
  GlobalAveragePool: [
    {
      name: 'batch',
      inputs: [{ shape: ['N', 2, 3, 2] }],
      N: [2, 1, 0],
      build: ([x]) => globalAveragePool(x!),
      reference: ([x]) => reduce(x!, [2, 3], true, mean),
    },
  ],
};
