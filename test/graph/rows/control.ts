import { branch, mul, tanh } from '../../../src/graph/index.ts';
import type * as control from '../../../src/graph/ops/control.ts';
import type * as leaf from '../../../src/graph/ops/leaf.ts';
import type { Case } from '../check.ts';
import { each, scalar } from '../dense.ts';
import type { RowsOf } from './rows.ts';

const either = (taken: 0 | 1): Case => ({
  name: taken ? 'the first branch' : 'the second branch',
  inputs: [{ shape: [], dtype: 'bool', value: () => taken }, { shape: ['N', 2] }, { shape: [2] }],
  N: [2, 0],
  wrt: [],
  build: ([c, a, b]) => branch(c!, [tanh(mul(a!, b!)), a!], [mul(a!, 2), mul(a!, 3)]),
  reference: ([, a, b]) =>
    taken ? [each((v, w) => Math.tanh(v! * w!), a!, b!), a!] : [each((v) => 2 * v!, a!), each((v) => 3 * v!, a!)],
});

export const controlRows: RowsOf<typeof control> = { If: [either(1), either(0)] };

/** Leaves compute nothing: that they carry their values is what every other row shows; here stand their uses. */
export const leafRows: RowsOf<typeof leaf> = {
  Input: [
    { name: 'passes through', inputs: [{ shape: ['N', 2] }], N: [2, 0], build: ([x]) => x!, reference: ([x]) => x! },
  ],
  Param: [],
  Constant: [
    {
      name: 'a number beside a tensor',
      inputs: [{ shape: ['N'] }],
      N: [2, 0],
      build: ([x]) => mul(x!, 2.5),
      reference: ([x]) => each((a, b) => a! * b!, x!, scalar(2.5)),
    },
  ],
};
