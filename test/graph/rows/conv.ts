import { apply, type ConvOptions, ConvTranspose, convAttrs, convolve } from '../../../src/graph/index.ts';
import type * as room from '../../../src/graph/ops/conv.ts';
import type { Case } from '../check.ts';
import * as naive from '../windows.ts';
import type { RowsOf } from './rows.ts';

const conv = (name: string, x: Case['inputs'][0]['shape'], w: number[], o: ConvOptions, N?: number[]): Case => {
  const a = convAttrs(w.slice(2), o);
  return {
    name,
    inputs: [{ shape: x }, { shape: w }, { shape: [w[0]!] }],
    ...(N ? { N } : {}),
    build: ([p, q, b]) => convolve(p!, q!, b, o),
    reference: ([p, q, b]) => naive.conv(p!, q!, b, a, o.groups),
  };
};

const transposed = (
  name: string,
  x: Case['inputs'][0]['shape'],
  w: number[],
  { out = 0, ...o }: ConvOptions & { out?: number },
  N?: number[],
): Case => {
  const a = { ...convAttrs(w.slice(2), o), output_padding: w.slice(2).map(() => out) };
  const bias = (w[1] as number) * (o.groups ?? 1);
  return {
    name,
    inputs: [{ shape: x }, { shape: w }, { shape: [bias] }],
    ...(N ? { N } : {}),
    build: (x3) => apply(ConvTranspose, x3, a),
    reference: ([p, q, b]) => naive.convTranspose(p!, q!, b, a, o.groups),
  };
};

export const convRows: RowsOf<typeof room> = {
  Conv: [
    conv('3x3, same size', ['N', 2, 4, 3], [2, 2, 3, 3], { padding: 1 }, [2, 1, 0]),
    conv('3x3, no padding', [1, 2, 4, 5], [3, 2, 3, 3], {}),
    conv('3x3, stride 2, even size', ['N', 1, 6, 4], [2, 1, 3, 3], { stride: 2, padding: 1 }, [2, 0]),
    conv('3x3, stride 2, odd size', [1, 2, 5, 5], [2, 2, 3, 3], { stride: 2, padding: 1 }),
    conv('stride 2 leaves a rim that nothing reads', [1, 1, 6, 6], [1, 1, 2, 3], { stride: 2 }),
    conv('stride above the kernel', [1, 2, 7, 6], [2, 2, 2, 2], { stride: 3 }),
    conv('1x1', ['N', 3, 2, 2], [2, 3, 1, 1], {}, [2, 0]),
    conv('1x1, stride 2 (projection)', ['N', 2, 4, 5], [3, 2, 1, 1], { stride: 2 }, [2, 0]),
    conv('1x1, padding beyond the kernel', [1, 1, 2, 2], [1, 1, 1, 1], { padding: 1 }),
    conv('strides and pads of each side differ', [1, 1, 6, 5], [1, 1, 3, 2], { stride: [2, 1], padding: [1, 0, 0, 2] }),
    conv('dilation 2', [1, 1, 6, 5], [2, 1, 3, 2], { dilation: 2, padding: [2, 1] }),
    conv('dilation 2, stride 2', [1, 1, 7, 7], [1, 1, 3, 2], { dilation: 2, stride: 2, padding: 1 }),
    conv('two groups', [1, 4, 3, 3], [4, 2, 2, 2], { groups: 2, padding: 1 }),
    conv('two groups, stride 2', [2, 4, 4, 3], [2, 2, 3, 3], { groups: 2, stride: 2, padding: 1 }),
    conv('depthwise', ['N', 3, 4, 4], [3, 1, 3, 3], { groups: 3, padding: 1 }, [2, 0]),
    conv('depthwise, stride 2', [1, 3, 5, 4], [3, 1, 3, 3], { groups: 3, stride: 2, padding: 1 }),
    conv('depthwise with a multiplier', [1, 2, 3, 3], [4, 1, 2, 2], { groups: 2 }),
    conv('one spatial axis', ['N', 2, 7], [3, 2, 3], { stride: 2, padding: 1 }, [2, 0]),
    conv('one spatial axis, dilation', [1, 1, 7], [1, 1, 3], { dilation: 3, padding: 3 }),
    {
      ...conv('without a bias', [1, 2, 3, 3], [1, 2, 3, 3], { padding: 1 }),
      inputs: [{ shape: [1, 2, 3, 3] }, { shape: [1, 2, 3, 3] }],
    },
  ],
  ConvTranspose: [
    transposed('stride 2', ['N', 2, 3, 2], [2, 2, 3, 3], { stride: 2, padding: 1, out: 1 }, [2, 0]),
    transposed('stride 1', [1, 2, 3, 3], [2, 1, 2, 3], { padding: 1 }),
    transposed('groups', [1, 4, 2, 2], [4, 1, 3, 3], { groups: 2, stride: 2 }),
    transposed('dilation', [1, 1, 3, 3], [1, 2, 2, 2], { dilation: 2, padding: 1 }),
    transposed('one spatial axis', [2, 2, 3], [2, 2, 3], { stride: 3, out: 2 }),
  ],
};
