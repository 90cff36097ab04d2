import { takeBatch } from '../src/data/index.ts';
import { EPOCHS, recipe } from '../src/demo/recipe.ts';
import { openSplits } from '../src/demo/splits.ts';
import { argmaxAt, costTable, cut, type Net } from '../src/dynamic/index.ts';
import { encodeModel, toOnnx } from '../src/graph/index.ts';
import { silent } from '../src/progress.ts';
import { commit, machine } from '../src/provenance.ts';
import { compile } from '../src/runtime/index.ts';
import { train } from '../src/train/index.ts';
import { multiExit, plain } from '../src/zoo/index.ts';
import { readResult, writeResult } from './results.ts';

const command = 'npm run bench -- baselines';
const seed = 1;

/** Trains nets without decisions by the demo's recipe: the same architecture, and one of the dynamic net's mean MACs. */
export async function run(): Promise<void> {
  // DYNANEURAL_BENCH_DATA=mnist makes the baselines of the demo's other data set.
  const splits = await openSplits(process.env.DYNANEURAL_BENCH_DATA, seed, {
    quick: false,
    progress: silent,
    onNote: console.log,
  });
  const task = { input: splits.train.shape, classes: splits.train.classes.length };
  const baseline = async (net: Net) => {
    const { weights } = await train(net, {
      ...recipe,
      data: splits.train,
      epochs: EPOCHS,
      seed,
      onProgress: (p) => process.stderr.write(`\r${net.name} ${p.step}/${p.steps} ${p.secondsLeft.toFixed(0)} s `),
    });
    const runner = await compile(encodeModel(toOnnx({ logits: net.output }, { weights })));
    let right = 0;
    for (let start = 0; start < splits.test.length; start += 250) {
      const { x } = takeBatch(
        splits.test,
        Array.from({ length: 250 }, (_, i) => start + i),
      );
      const { logits } = await runner.run({ input: x });
      for (let i = 0; i < 250; i++)
        if (argmaxAt(logits!.data as Float32Array, i * task.classes, task.classes) === splits.test.labels[start + i])
          right++;
    }
    await runner.close();
    const result = { accuracy: right / splits.test.length, macs: costTable(net).reduce((sum, r) => sum + r.macs, 0) };
    console.log(`\n${net.name}`, result);
    return result;
  };
  const { command: _c, machine: _m, commit: _k, ...others } = readResult('baselines');
  const figures = {
    command,
    seed,
    epochs: EPOCHS,
    static: await baseline({ ...cut(multiExit(task)), name: 'static' }),
    sameMacs: await baseline(plain(task)),
  };
  await writeResult('baselines', command, {
    ...others,
    [splits.name]: { ...figures, machine: await machine(), commit: commit() },
  });
}
