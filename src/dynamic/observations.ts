import { type Dataset, takeBatch } from '../data/index.ts';
import { DynaError } from '../errors.ts';
import { encodeModel, formatShape, sameShape, type Tensor, toOnnx } from '../graph/index.ts';
import { compileInWorker, type SessionOptions } from '../runtime/index.ts';
import { argmaxAt } from './logits.ts';
import { observe } from './lower/observe.ts';
import type { Model } from './model.ts';

/** What a model would answer and score at every exit, for each input of a data set. */
export interface Observations {
  readonly n: number;
  readonly decisions: readonly string[];
  /** [n, decisions], row by row; higher is surer. */
  readonly scores: Float32Array;
  /** The answers' names, earliest first, the full path last. */
  readonly names: readonly string[];
  /** [n, answers], row by row: the class that each answer names. */
  readonly answers: Int32Array;
  /** [n, classes] for each answer. */
  readonly logits: readonly Float32Array[];
  readonly labels: Int32Array;
}

export interface ObserveOptions {
  readonly batch?: number;
  readonly session?: SessionOptions;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Runs a model with everything computed, over a whole data set.
 *
 * @example const seen = await observations(trained, tuneSplit)
 */
export async function observations(model: Model, data: Dataset, options: ObserveOptions = {}): Promise<Observations> {
  const seen = observe(model.net);
  const outputs: Record<string, Tensor> = {};
  for (const { decision, score } of seen.scores) outputs[`score/${decision}`] = score;
  for (const { name, logits } of seen.answers) outputs[`answer/${name}`] = logits;
  checkFits(model, data);
  const runner = await compileInWorker(encodeModel(toOnnx(outputs, { weights: model.weights })), options.session);
  try {
    const n = data.length;
    const decisions = seen.scores.map((s) => s.decision);
    const classes = model.classes.length;
    const scores = new Float32Array(n * decisions.length);
    const answers = new Int32Array(n * seen.answers.length);
    const logits = seen.answers.map(() => new Float32Array(n * classes));
    const size = options.batch ?? 256;
    for (let start = 0; start < n; start += size) {
      const count = Math.min(size, n - start);
      const { x } = takeBatch(
        data,
        Int32Array.from({ length: count }, (_, i) => start + i),
      );
      const out = await runner.run({ input: x });
      for (const [j, name] of decisions.entries()) {
        const values = out[`score/${name}`]!.data as Float32Array;
        for (let i = 0; i < count; i++) scores[(start + i) * decisions.length + j] = values[i]!;
      }
      for (const [j, { name }] of seen.answers.entries()) {
        const values = out[`answer/${name}`]!.data as Float32Array;
        logits[j]!.set(values, start * classes);
        for (let i = 0; i < count; i++)
          answers[(start + i) * seen.answers.length + j] = argmaxAt(values, i * classes, classes);
      }
      options.onProgress?.(start + count, n);
    }
    return { n, decisions, scores, names: seen.answers.map((a) => a.name), answers, logits, labels: data.labels };
  } finally {
    await runner.close();
  }
}

function checkFits({ net, classes }: Model, data: Dataset): void {
  const want = net.spec.input;
  if (!sameShape(want, data.shape))
    throw new DynaError(
      'data',
      `the net takes inputs ${formatShape(want)}, ${data.name} has ${formatShape(data.shape)}`,
    );
  if (data.classes.length > 0 && data.classes.length !== classes.length)
    throw new DynaError(
      'data',
      `the net answers with ${classes.length} classes, ${data.name} has ${data.classes.length}`,
    );
}
