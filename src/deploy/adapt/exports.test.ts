import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../../../test/graph/models.ts';
import { largestDifference } from '../../../test/support/difference.ts';
import { seeded } from '../../../test/support/random.ts';
import {
  decodeModel,
  encodeModel,
  gradients,
  type NDArray,
  ndarray,
  order,
  sumAll,
  toNumbers,
  toOnnx,
} from '../../graph/index.ts';
import { compile } from '../../runtime/index.ts';
import { asStored } from '../layout.ts';
import { giving } from '../meaning.ts';
import { readForeign } from './foreign.ts';

// Files as PyTorch's two exporters and tf2onnx (for Keras) write them; make.py and make_keras.py beside them made them.
const folder = new URL('../../../test/fixtures/exports/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.onnx'));

const random = seeded(11);
const images = (n: number): NDArray =>
  ndarray(
    'float32',
    [n, 3, 16, 16],
    Float32Array.from({ length: n * 768 }, () => random() * 4 - 2),
  );
const image = ({ data }: NDArray, i: number): NDArray =>
  ndarray('float32', [1, 3, 16, 16], (data as Float32Array).slice(i * 768, (i + 1) * 768));

describe.each(files)('%s', (name) => {
  const bytes = new Uint8Array(readFileSync(new URL(name, folder)));
  const model = decodeModel(bytes);
  const open = typeof model.graph.inputs[0]!.shape![0] === 'string';

  it('is read and written without a change to what it computes', async () => {
    const read = await expectSame(model, open ? [1, 4] : [1], 1e-5);
    const params = order(Object.values(read.outputs)).flatMap((n) => (n.op.leaf === 'param' ? [n.outputs[0]!] : []));
    expect(params.length).toBeGreaterThan(5);
    const slopes = gradients(sumAll(Object.values(read.outputs)[0]!), params);
    expect(slopes.map((g) => g.shape)).toEqual(params.map((p) => p.shape));
  });

  it('shape arithmetic is folded away', () => {
    const operators = order([readForeign(bytes).logits]).map((n) => n.op.name);
    const left = ['Shape', 'Expand', 'ConstantOfShape'].filter((op) => operators.includes(op));
    // A class token is repeated for each image, in a file for one image as often as that says.
    expect(left).toEqual(name.startsWith('vit') && !open ? ['Expand'] : []);
  });

  it('answers a batch as the file answers each image', async () => {
    const foreign = readForeign(bytes);
    const layout = name.startsWith('keras') ? 'NHWC' : 'NCHW';
    expect([foreign.single, foreign.classes.length, foreign.layout]).toEqual([!open, 5, layout]);
    expect(foreign.output).toBe(/^vit|^keras-mobile/.test(name) ? 'probabilities' : 'logits');
    const output = giving(foreign.logits, foreign.output);
    const read = await compile(encodeModel(toOnnx({ y: output }, { weights: foreign.weights })));
    const original = await compile(bytes);
    const x = images(3);
    const together = toNumbers((await read.run({ [foreign.names.input]: x })).y!);
    const alone: number[] = [];
    for (let i = 0; i < 3; i++)
      alone.push(
        ...toNumbers(
          (await original.run({ [foreign.names.input]: asStored(image(x, i), layout) }))[foreign.names.output]!,
        ),
      );
    expect(largestDifference(together, alone)).toBeLessThan(1e-5);
    await Promise.all([read.close(), original.close()]);
  });
});

it('fixtures stay small', () => {
  expect(files.length).toBeGreaterThan(8);
  for (const name of files) expect(readFileSync(new URL(name, folder)).length, name).toBeLessThan(50_000);
});
