import { type Dataset, takeBatch } from '../data/index.ts';
import { DynaError } from '../errors.ts';
import { encodeModel, formatShape, sameShape, type Tensor, toOnnx } from '../graph/index.ts';
import { compileInWorker, type SessionOptions } from '../runtime/index.ts';
import { costTable, pathCost } from './cost.ts';
import { argmaxAt } from './logits.ts';
import type { SparseForm } from './lower/form.ts';
import { observe } from './lower/observe.ts';
import type { Model } from './model.ts';
import type { Net } from './traced.ts';

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
  /** MACs of each input up to each answer, [n, answers], with what its other decisions chose, in files for batches. */
  readonly macs: Float64Array;
  /** What decisions between options that are no exits scored: [n] or [n, options] by name. */
  readonly gates: ReadonlyMap<string, Float32Array>;
  /** What decisions about units scored: [n, units] by name. */
  readonly units: ReadonlyMap<string, Float32Array>;
  /** What decisions that are no exits chose, by name: the number of an option, or how many units were kept; [n]. */
  readonly choices: ReadonlyMap<string, Float32Array>;
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
  for (const { decision, score, column } of seen.choices) {
    outputs[`score/${decision}`] = score;
    outputs[`choice/${decision}`] = column;
  }
  for (const { decision, score, count } of seen.kept) {
    outputs[`score/${decision}`] = score;
    outputs[`choice/${decision}`] = count;
  }
  checkFits(model, data);
  const runner = await compileInWorker(encodeModel(toOnnx(outputs, { weights: model.weights })), options.session);
  try {
    const n = data.length;
    const decisions = seen.scores.map((s) => s.decision);
    const classes = model.classes.length;
    const scores = new Float32Array(n * decisions.length);
    const answers = new Int32Array(n * seen.answers.length);
    const logits = seen.answers.map(() => new Float32Array(n * classes));
    const room = (of: readonly { readonly decision: string; readonly score: Tensor }[]) =>
      new Map(of.map(({ decision, score }) => [decision, new Float32Array(n * Number(score.shape[1] ?? 1))]));
    const [gates, units] = [room(seen.choices), room(seen.kept)];
    const choices = new Map([...gates.keys(), ...units.keys()].map((name) => [name, new Float32Array(n)]));
    for (const { start, count, x } of inOrder(data, options.batch)) {
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
      for (const [name, all] of [...gates, ...units])
        all.set(out[`score/${name}`]!.data as Float32Array, (start * all.length) / n);
      for (const [name, all] of choices) all.set(out[`choice/${name}`]!.data as Float32Array, start);
      options.onProgress?.(start + count, n);
    }
    return {
      n,
      decisions,
      scores,
      names: seen.answers.map((a) => a.name),
      answers,
      logits,
      labels: data.labels,
      macs: macsIn(model.net, { n, decisions, choices }),
      gates,
      units,
      choices,
    };
  } finally {
    await runner.close();
  }
}

/** MACs of each input up to each answer, [n, answers], in files of one form. */
export function macsIn(
  net: Pick<Net, 'output'>,
  { n, decisions, choices }: Pick<Observations, 'n' | 'decisions' | 'choices'>,
  form?: SparseForm,
): Float64Array {
  const path = pathMacs(net, decisions, form);
  const macs = new Float64Array(n * (decisions.length + 1));
  for (let i = 0; i < n; i++)
    macs.set(path(new Map([...choices].map(([name, all]) => [name, all[i]!]))), i * (decisions.length + 1));
  return macs;
}

/** MACs up to each answer, the full path last, for what the decisions beside the exits chose. */
export function pathMacs(
  net: Pick<Net, 'output'>,
  exits: readonly string[],
  form?: SparseForm,
): (chosen: ReadonlyMap<string, number>) => readonly number[] {
  const table = costTable(net, form);
  const known = new Map<string, readonly number[]>();
  const leavingAt = (e: number, chosen: ReadonlyMap<string, number>) => (name: string) => {
    const at = exits.indexOf(name);
    return at < 0 ? chosen.get(name) : at < e ? 0 : at === e ? 1 : undefined;
  };
  return (chosen) => {
    const key = [...chosen.values()].join();
    const found = known.get(key) ?? [...exits, ''].map((_, e) => pathCost(table, leavingAt(e, chosen)).macs);
    known.set(key, found);
    return found;
  };
}

/** @throws DynaError 'data' where a data set is not of a model's inputs and classes */
export function checkFits({ net, classes }: Pick<Model, 'net' | 'classes'>, data: Dataset): void {
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

/** Whether the classes of inputs are known. */
export const labelled = ({ labels }: Pick<Dataset, 'labels'>): boolean => labels.length > 0 && labels[0]! >= 0;

/** A data set in its order, in batches as the net takes them; 256 inputs by default. */
export function* inOrder(data: Dataset, size = 256) {
  for (let start = 0; start < data.length; start += size) {
    const count = Math.min(size, data.length - start);
    const { x } = takeBatch(
      data,
      Int32Array.from({ length: count }, (_, i) => start + i),
    );
    yield { start, count, x };
  }
}
