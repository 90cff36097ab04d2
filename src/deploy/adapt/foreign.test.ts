import { describe, expect, it } from 'vitest';
import {
  add,
  concat,
  constant,
  encodeModel,
  flatten,
  globalAveragePool,
  input,
  ndarray,
  param,
  reduceMean,
  relu,
  reshape,
  type Shape,
  sigmoid,
  type Tensor,
  toOnnx,
} from '../../graph/index.ts';
import { conv, linear, materialize, paramsOf } from '../../nn/index.ts';
import { readForeign } from './foreign.ts';
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
  'a batch of 1 that is built in': [
    () =>
      file({
        y: linear(
          concat([flatten(globalAveragePool(image([1, 3, 8, 8]))), constant(ndarray('float32', [1, 1], [2]))], 1),
          5,
        ),
      }),
    /the batch of 1 is built into the model near Concat/,
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
