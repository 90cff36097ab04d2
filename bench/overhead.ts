import ort from 'onnxruntime-node';
import { load, toBytes } from '../src/deploy/index.ts';
import { median } from '../src/deploy/robust.ts';
import { parametersOf } from '../src/dynamic/index.ts';
import { ndarray, stripDefaults } from '../src/graph/index.ts';
import { materialize } from '../src/nn/index.ts';
import { compile } from '../src/runtime/index.ts';
import { multiExit } from '../src/zoo/index.ts';
import { writeResult } from './results.ts';

/** What our layers add to a bare session: `compile().run()`, and `load().run()` with budget, answers and trace. */
export async function run(): Promise<void> {
  const net = multiExit({ input: [1, 28, 28], classes: 10 });
  const classes = Array.from({ length: 10 }, (_, i) => String(i));
  const preprocessing = { shape: [1, 28, 28], scale: 1, mean: [0], std: [1] };
  const bytes = toBytes({ net, weights: materialize(parametersOf(net), 1), classes, preprocessing });
  const session = { intraOpNumThreads: 1 };
  const names = ['exit1/threshold', 'exit2/threshold'];
  const bare = await ort.InferenceSession.create(stripDefaults(bytes, names), session);
  const runner = await compile(bytes, session);
  const model = await load(bytes, { session });
  const pixels = Float32Array.from({ length: 784 }, (_, i) => Math.sin(i));
  const image = ndarray('float32', [1, 1, 28, 28], pixels);
  const never = () => new ort.Tensor('float32', Float32Array.of(Number.POSITIVE_INFINITY), []);
  const feeds = {
    input: new ort.Tensor('float32', pixels, [1, 1, 28, 28]),
    [names[0]!]: never(),
    [names[1]!]: never(),
  };
  const runs: Record<string, () => Promise<unknown>> = {
    bare: () => bare.run(feeds),
    compile: () => runner.run({ input: image }),
    load: () => model.run(image),
  };
  const times: Record<string, number[]> = { bare: [], compile: [], load: [] };
  for (let i = -100; i < 3000; i++)
    for (const [name, go] of Object.entries(runs)) {
      const start = performance.now();
      await go();
      if (i >= 0) times[name]!.push((performance.now() - start) * 1000);
    }
  const us = Object.fromEntries(Object.entries(times).map(([name, t]) => [name, Math.round(median(t) * 10) / 10]));
  await Promise.all([runner.close(), model.close(), bare.release()]);
  console.log(us);
  await writeResult('overhead', 'npm run bench -- overhead', {
    microseconds: us,
    overhead: { compile: us.compile! / us.bare! - 1, load: us.load! / us.bare! - 1 },
    runs: 3000,
    threads: 1,
  });
}
