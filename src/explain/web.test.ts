import * as ort from 'onnxruntime-web';
import { expect, it } from 'vitest';
import { randomInput } from '../../test/support/build-net.ts';
import { largestDifference } from '../../test/support/difference.ts';
import { parametersOf } from '../dynamic/index.ts';
import { ndarray, stripDefaults, toNumbers } from '../graph/index.ts';
import { materialize } from '../nn/index.ts';
import { compile } from '../runtime/index.ts';
import { multiExit } from '../zoo/index.ts';
import { smoothModel } from './fixtures/smooth.ts';
import { decisionGradient, type GradientGraph } from './gradient.ts';

ort.env.wasm.numThreads = 1;
const quiet = { logSeverityLevel: 3 } as const; // it remarks on inputs with defaults

it.each([
  ['a net with gates and an exit', () => smoothModel()],
  [
    'the zoo’s net',
    () => {
      const net = multiExit({ input: [1, 28, 28], classes: 10 });
      return { net, weights: materialize(parametersOf(net), 1) };
    },
  ],
] as const)('the browser’s engine gives the same maps: %s', { timeout: 30_000 }, async (_, make) => {
  const model = make();
  const { bytes, defaults, targets }: GradientGraph = decisionGradient(model);
  const x = randomInput(model.net, 3, 4);
  const node = await compile(bytes, { intraOpNumThreads: 1 });
  const expected = await node.run({ input: x });
  await node.close();

  const web = await ort.InferenceSession.create(bytes, quiet);
  const input = new ort.Tensor('float32', x.data as Float32Array, [...x.dims]);
  const got = await web.run({ input });
  await web.release();
  for (const { saliency, value } of targets)
    for (const name of [saliency, value]) {
      expect(got[name]!.dims).toEqual(expected[name]!.dims);
      expect(largestDifference(got[name]!.data as Float32Array, toNumbers(expected[name]!)), name).toBeLessThan(1e-4);
    }

  // A class of one's own, as a page asks for it.
  const open = await ort.InferenceSession.create(stripDefaults(bytes, ['class']), quiet);
  const asked = await open.run({ input, class: new ort.Tensor('int64', BigInt64Array.of(1n), []) });
  await open.release();
  const again = await compile(stripDefaults(bytes, ['class']), { intraOpNumThreads: 1 });
  const chosen = await again.run({ input: x, class: ndarray('int64', [], [1]) });
  await again.close();
  const last = 'answer/final';
  expect(defaults).toContain('class');
  expect(largestDifference(asked[last]!.data as Float32Array, toNumbers(chosen[last]!))).toBeLessThan(1e-4);
});
