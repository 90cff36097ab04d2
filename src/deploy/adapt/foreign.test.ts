import { describe, expect, it } from 'vitest';
import { largestDifference } from '../../../test/support/difference.ts';
import { seeded } from '../../../test/support/random.ts';
import { dataset } from '../../data/index.ts';
import {
  add,
  concat,
  constant,
  decodeModel,
  encodeModel,
  flatten,
  gather,
  globalAveragePool,
  input,
  ints,
  matMul,
  mul,
  ndarray,
  order,
  param,
  reduceMean,
  relu,
  reshape,
  type Shape,
  sigmoid,
  softmax,
  sub,
  type Tensor,
  toNumbers,
  toOnnx,
  transpose,
} from '../../graph/index.ts';
import { halfBits } from '../../graph/ops/half.ts';
import { conv, linear, materialize, paramsOf } from '../../nn/index.ts';
import { compile } from '../../runtime/index.ts';
import { asStored } from '../layout.ts';
import { checkFaithful } from './faithful.ts';
import { readForeign } from './foreign.ts';
import { compileOriginal } from './original.ts';
import { planExits } from './plan.ts';

/** A file with these outputs and random weights. */
function file(outputs: Record<string, Tensor>, spoil?: (weights: Map<string, ReturnType<typeof ndarray>>) => void) {
  const weights = new Map(materialize(paramsOf(Object.values(outputs)), 1));
  spoil?.(weights);
  return encodeModel(toOnnx(outputs, { weights }));
}

const image = (dims: Shape = ['n', 3, 8, 8], name = 'image'): Tensor => input(name, dims);
const body = (x: Tensor): Tensor => relu(conv(x, 6));
const classifier = (x: Tensor, classes = 5): Tensor => linear(flatten(globalAveragePool(body(x))), classes);

const refusals: Record<string, [() => Uint8Array, RegExp]> = {
  'several inputs': [
    () => file({ y: add(classifier(image()), linear(flatten(globalAveragePool(image(['n', 5, 1, 1], 'mask'))), 5)) }),
    /2 inputs \("image", "mask"\).*adapt takes image classifiers/,
  ],
  'several outputs': [
    () => {
      const x = image();
      return file({ boxes: classifier(x, 4), scores: classifier(x, 2) });
    },
    /2 outputs \("boxes", "scores"\)/,
  ],
  'an output that is a picture': [() => file({ y: body(image()) }), /the output "y" is float32\[N, 6, 8, 8\]/],
  'an open image size': [
    () => file({ y: linear(flatten(globalAveragePool(image(['n', 3, 'h', 'w']))), 5) }),
    /image size is open; export the model with a fixed image size/,
  ],
  'a row of numbers as input': [
    () => file({ y: linear(image(['n', 20]), 5) }),
    /the input "image" is float32\[n, 20\]/,
  ],
  'a fixed batch of 8': [() => file({ y: classifier(image([8, 3, 8, 8])) }), /exactly 8 images at once/],
  'an output with our name': [() => file({ trace: classifier(image()) }), /the output is called "trace"/],
  'one class': [() => file({ y: classifier(image(), 1) }), /two classes are the least/],
  'a sigmoid at the end': [() => file({ y: sigmoid(classifier(image())) }), /ends with a sigmoid/],
  'NaN in a weight': [
    () =>
      file({ y: classifier(image()) }, (weights) => {
        const [name, w] = [...weights][0]!;
        weights.set(
          name,
          ndarray(
            'float32',
            w.dims,
            Float32Array.from(w.data as Float32Array, () => Number.NaN),
          ),
        );
      }),
    /the weight ".*" holds NaN/,
  ],
  'a batch of 1 that is lost on the way': [
    () => {
      const pooled = flatten(globalAveragePool(image([1, 3, 8, 8])));
      return file({ y: linear(reshape(gather(pooled, ints([0]), 0), [1, 3]), 5) });
    },
    /the batch of 1 is built into the model near Gather: .*not one result for each image; export it with an open batch/,
  ],
  'a batch of 1 that images would be compared along': [
    () => {
      const pooled = flatten(globalAveragePool(image([1, 3, 8, 8])));
      return file({ y: linear(mul(pooled, softmax(pooled, 0)), 5) });
    },
    /near Softmax: it works along the batch/,
  ],
  'a mean over the batch': [
    () => {
      const pooled = flatten(globalAveragePool(image([1, 3, 8, 8])));
      return file({ y: linear(sub(pooled, reduceMean(pooled, [0], true)), 5) });
    },
    /near ReduceMean: .*not one result for each image/,
  ],
  'something else': [() => new TextEncoder().encode('not a model at all'), /./],
};

describe('what is no image classifier is refused in one sentence', () => {
  for (const [what, [make, words]] of Object.entries(refusals))
    it(what, () => {
      const message = messageOf(() => readForeign(make()));
      expect(message).toMatch(words);
      expect(message).not.toContain('\n');
    });

  it('class names that do not fit', () => {
    expect(() => readForeign(file({ y: classifier(image()) }), { classes: ['a'] })).toThrow(
      '5 classes, got 1 class names',
    );
  });
});

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}

/** Runs what was read on images [n, 3, 8, 8], and the file on each of them alone. */
async function bothWays(bytes: Uint8Array, count: number): Promise<[number[], number[]]> {
  const foreign = readForeign(bytes);
  const random = seeded(3);
  const x = ndarray(
    'float32',
    [count, 3, 8, 8],
    Float32Array.from({ length: count * 192 }, () => random() * 2 - 1),
  );
  const read = await compile(encodeModel(toOnnx({ y: foreign.logits }, { weights: foreign.weights })));
  const original = await compileOriginal(bytes);
  const name = foreign.names.input;
  const together = toNumbers((await read.run({ [name]: x })).y!);
  const alone: number[] = [];
  for (let i = 0; i < count; i++) {
    const one = ndarray('float32', [1, 3, 8, 8], (x.data as Float32Array).slice(i * 192, (i + 1) * 192));
    const out = await original.run({ [name]: asStored(one, foreign.layout) });
    alone.push(...toNumbers(out[foreign.names.output]!));
  }
  await Promise.all([read.close(), original.close()]);
  return [together, alone];
}

const close = ([a, b]: readonly [number[], number[]]): void => expect(largestDifference(a, b)).toBeLessThan(1e-5);
const vector = (name: string, shape: number[]): Tensor => param(name, shape, { kind: 'normal', std: 1 });

describe('files for one image at a time take any number afterwards', () => {
  it('with a token that is joined with the image, and heads of attention that share an axis with the batch', async () => {
    const tokens = transpose(reshape(conv(image([1, 3, 8, 8]), 6), [1, 6, 64]), [0, 2, 1]);
    const joined = concat([constant(ndarray('float32', [1, 1, 6], [1, 2, 3, 4, 5, 6])), tokens], 1);
    const rows = transpose(joined, [1, 0, 2]); // [L, N, D], as PyTorch's MultiheadAttention
    const heads = transpose(reshape(rows, [65, 2, 3]), [1, 0, 2]); // [N heads, L, D / heads]
    const mixed = matMul(softmax(matMul(heads, transpose(heads, [0, 2, 1])), -1), heads);
    const back = reshape(matMul(reshape(transpose(mixed, [1, 0, 2]), [65, 6]), vector('out', [6, 6])), [65, 1, 6]);
    const bytes = file({ y: linear(reduceMean(transpose(add(back, rows), [1, 0, 2]), [1]), 5) });
    close(await bothWays(bytes, 3));
  });

  it('but not with a Reshape after which the images would lie elsewhere in memory', () => {
    const x = reshape(conv(image([1, 3, 8, 8]), 6), [6, 1, 64]);
    const bytes = file({ y: linear(reduceMean(transpose(mul(x, vector('scale', [6, 1, 64])), [1, 0, 2]), [2]), 5) });
    expect(() => readForeign(bytes)).toThrow(/the batch of 1 is built into the model/);
  });
});

describe('channels that come last, as in files from Keras', () => {
  const last = (rows: 'n' | 1) => {
    const x = mul(image([rows, 8, 8, 3]), 0.5);
    return file({ y: linear(flatten(globalAveragePool(body(transpose(x, [0, 3, 1, 2])))), 5) });
  };
  it.each(['n', 1] as const)('are turned to the front, batch %s', async (rows) => {
    const foreign = readForeign(last(rows));
    expect([foreign.layout, foreign.input.shape]).toEqual(['NHWC', ['N', 3, 8, 8]]);
    expect(foreign.notes.join()).toMatch(/takes images as \[N, H, W, C\]/);
    close(await bothWays(last(rows), 2));
  });
  it('one channel is turned by a Reshape', () => {
    const x = reshape(image(['n', 8, 8, 1]), [0, 1, 8, 8]);
    const foreign = readForeign(file({ y: classifier(x) }));
    expect([foreign.layout, order([foreign.logits]).some((n) => n.op.name === 'Transpose')]).toEqual(['NHWC', false]);
  });
  it('first where the image is read in any other way', () => {
    const x = image(['n', 3, 8, 8]);
    const turned = globalAveragePool(transpose(x, [0, 3, 1, 2]));
    const pooled = concat([flatten(turned), flatten(globalAveragePool(body(x)))], 1);
    expect(readForeign(file({ y: linear(pooled, 5) })).layout).toBe('NCHW');
  });
});

describe('files in 16 bits', () => {
  const half = (bytes: Uint8Array): Uint8Array => {
    const model = decodeModel(bytes);
    const narrow = <V extends { dtype: string }>(v: V): V => ({ ...v, dtype: 'float16' });
    const { graph } = model;
    const initializers = graph.initializers.map((t) =>
      t.dtype === 'float32'
        ? { ...t, dtype: 'float16' as const, data: Uint16Array.from(t.data as Float32Array, halfBits) }
        : t,
    );
    const opened = { ...graph, initializers, inputs: graph.inputs.map(narrow), outputs: graph.outputs.map(narrow) };
    return encodeModel({ ...model, graph: opened });
  };
  it('are read in 32, and it is told', () => {
    const foreign = readForeign(half(file({ y: classifier(image()) })));
    expect(foreign.input.dtype).toBe('float32');
    expect([...foreign.weights.values()].map((w) => w.dtype)).toEqual([...foreign.weights.keys()].map(() => 'float32'));
    expect(foreign.notes).toEqual([
      '4 tensors were converted from float16 to float32',
      'the inputs "image" take float32 now, not 16 bits',
      'the outputs "y" give float32 now, not 16 bits',
    ]);
  });
  it('the file itself is fed and read as if it were in 32', async () => {
    const bytes = half(file({ y: classifier(image([1, 3, 8, 8])) }));
    const [together, alone] = await bothWays(bytes, 2);
    expect(largestDifference(together, alone)).toBeLessThan(0.01);
    expect(largestDifference(together, alone)).toBeGreaterThan(0);
  });
  it('NaN in them is refused too', () => {
    const spoilt = file({ y: classifier(image()) }, (weights) => {
      const [name, w] = [...weights][0]!;
      weights.set(name, ndarray('float32', w.dims, new Float32Array(w.data.length).fill(Number.POSITIVE_INFINITY)));
    });
    expect(() => readForeign(half(spoilt))).toThrow(/holds NaN or infinite values/);
  });
});

describe('what was read is compared with the file', () => {
  const images = dataset({ inputs: Uint8Array.from({ length: 4 * 192 }, (_, i) => (i * 37) % 256), shape: [3, 8, 8] });
  const bytes = file({ y: softmax(classifier(image([1, 3, 8, 8]))) });
  it('the same answers pass', async () => {
    await checkFaithful(bytes, readForeign(bytes), images);
  });
  it('others are refused', async () => {
    const foreign = readForeign(bytes);
    const wrong = { ...foreign, logits: mul(foreign.logits, 2) };
    await expect(checkFaithful(bytes, wrong, images)).rejects.toThrow(/answers otherwise as it was read/);
  });
});

describe('places for exits', () => {
  /** Two residual blocks of plain convolutions: only what lies between blocks is a waist. */
  const bytes = () => {
    let x = image();
    x = body(x);
    for (let k = 0; k < 2; k++) x = relu(add(conv(relu(conv(x, 6)), 6), x));
    const side = reduceMean(x, [2, 3], false);
    return file({ y: linear(side, 5) });
  };

  it('are the tensors that every path passes through, with the MACs before them', () => {
    const { places, macs } = planExits(readForeign(bytes()));
    const stem = 64 * 9 * 3 * 6;
    const block = 2 * 64 * 9 * 36;
    expect(macs).toBe(stem + 2 * block + 6 * 5);
    expect(places.map((p) => Math.round(p.share * macs))).toEqual([stem, stem + block, stem + 2 * block]);
    expect(places.every((p) => p.shape.join() === '6,8,8')).toBe(true);
  });

  it('can be named, and a wrong name is told the right ones', () => {
    const foreign = readForeign(bytes());
    const { places } = planExits(foreign);
    const last = places.at(-1)!.name;
    expect(planExits(foreign, { exitAt: [last] }).exits.map((p) => p.name)).toEqual([last]);
    expect(() => planExits(foreign, { exitAt: ['nowhere'] })).toThrow(
      `places are ${places.map((p) => p.name).join(', ')}`,
    );
    expect(() => planExits(foreign, { exits: 4 })).toThrow('1 to 3 exits, got 4');
  });

  it('a net without feature maps has none', () => {
    const flat = file({ y: linear(linear(reshape(image(), [0, -1]), 9), 5) });
    expect(() => planExits(readForeign(flat))).toThrow('no place for an exit');
  });

  it('leaves a parameter that looks like a waist alone', () => {
    const bias = param('shift', [1, 6, 1, 1], { kind: 'constant', value: 1 });
    const shifted = file({ y: linear(flatten(globalAveragePool(add(body(image()), bias))), 5) });
    expect(planExits(readForeign(shifted)).places.map((p) => p.shape.join())).toEqual(['6,1,1']);
  });
});
