import type { Dataset, Model } from 'dynaneural';
import { takeBatch } from 'dynaneural/data';
import type { Decision, Net } from 'dynaneural/dynamic';
import {
  encodeModel,
  equal,
  gather,
  type NDArray,
  type Node,
  ndarray,
  order,
  reduceMax,
  reduceSum,
  remake,
  rewrite,
  rowsWhere,
  squeeze,
  sub,
  type Tensor,
  toOnnx,
  zerosLike,
} from 'dynaneural/graph';
import { compileInWorker } from 'dynaneural/runtime';
import type { Context } from '../shared/context.ts';
import { mean } from '../shared/evaluate.ts';
import { bits, Gathered, type Moments } from './moments.ts';

/** What a layer chooses for each input. */
export interface Choice {
  /** 'weights': of the kernels that are mixed, [N, K]; 'places': where a kernel looks and how much it takes, [N, 3 k, H, W]. */
  readonly kind: 'weights' | 'places';
  /** The linear map or convolution that makes it, by the start of its parameters' names. */
  readonly maker: string;
}

const OFFSET = '/offset/weight';

function choiceAt({ attrs, inputs }: Node): Choice | undefined {
  const { decision } = attrs as { readonly decision?: Decision };
  if (decision?.kind === 'weigh') return { kind: 'weights', maker: `${decision.name}/routing/weigh` };
  const parameters = inputs.flatMap((t) => (t?.node.op.leaf === 'param' ? [String(t.node.attrs.name)] : []));
  const name = parameters.find((n) => n.endsWith(OFFSET));
  return name ? { kind: 'places', maker: name.slice(0, -'/weight'.length) } : undefined;
}

/** Where it was made, as the block and layer are named. */
export const placeOf = ({ maker }: Choice): string => maker.split('/').slice(0, 2).join('/');

/** The rows of a batch in reverse order. */
function mirrored(x: Tensor): Tensor {
  const each = equal(reduceSum(zerosLike(x), [...x.shape.keys()].slice(1)), 0);
  const numbers = squeeze(rowsWhere(each, String(x.shape[0])), [1]);
  return gather(x, sub(reduceMax(numbers, [0], true), numbers));
}

/** The net in which each input of a batch is given what another one (its mirror in the batch) chose. */
export const dealt = (made: Net): Net => ({
  ...made,
  output: rewrite([made.output], (node, inputs) =>
    choiceAt(node) ? remake(node, inputs).map(mirrored) : undefined,
  )[0]!,
});

/** What a layer chose over a data set. */
export interface Chosen extends Choice {
  /** Of each number that is chosen. */
  readonly moments: Moments;
  /** How many positions each of them is chosen for; 1 for kernels. */
  readonly positions: number;
  /** Entropy in bits of the mean mixture, and mean entropy of each input's own, weights being shares of their sum. */
  readonly entropy?: { readonly ofMean: number; readonly mean: number };
  /** The kernel that each input gives the largest weight. */
  readonly strongest?: readonly number[];
}

/** Gathers what one layer chooses, batch by batch. */
class Layer {
  readonly #choice: Choice;
  readonly #units: number;
  readonly #positions: number;
  readonly #all: Gathered;
  readonly #shares: Gathered;
  readonly #strongest: number[] = [];
  #entropies = 0;

  constructor(choice: Choice, { shape }: Tensor) {
    const [units, ...plane] = shape.slice(1) as [number, ...number[]];
    this.#choice = choice;
    this.#units = units;
    this.#positions = plane.reduce((a, b) => a * b, 1);
    this.#all = new Gathered(units * this.#positions);
    this.#shares = new Gathered(units);
  }

  take(values: Float32Array): void {
    this.#all.take(values);
    if (this.#choice.kind !== 'weights') return;
    for (let at = 0; at < values.length; at += this.#units) {
      const own = [...values.subarray(at, at + this.#units)];
      const sum = own.reduce((a, b) => a + b, 0);
      const shares = own.map((v) => v / sum);
      this.#shares.take(shares);
      this.#entropies += bits(shares);
      this.#strongest.push(own.indexOf(Math.max(...own)));
    }
  }

  get chosen(): Chosen {
    const gathered = { ...this.#choice, moments: this.#all.moments, positions: this.#positions };
    if (this.#choice.kind !== 'weights') return gathered;
    const strongest = this.#strongest;
    const entropy = { ofMean: bits(this.#shares.moments.mean), mean: this.#entropies / strongest.length };
    return { ...gathered, entropy, strongest };
  }
}

/** Runs a net over a data set and gathers what its layers choose, those nearest to the input first. */
export async function chosenOn(
  cx: Context,
  title: string,
  { net, weights }: Pick<Model, 'net' | 'weights'>,
  data: Dataset,
): Promise<Chosen[]> {
  cx.signal?.throwIfAborted();
  const found = order([net.output]).flatMap((node) => {
    const choice = choiceAt(node);
    const tensor = node.outputs[0]!;
    return choice ? [{ tensor, layer: new Layer(choice, tensor) }] : [];
  });
  const outputs = Object.fromEntries(found.map(({ tensor }, i) => [`choice${i}`, tensor]));
  const runner = await compileInWorker(encodeModel(toOnnx(outputs, { weights })));
  cx.progress.start(title, data.length);
  try {
    for (let start = 0; start < data.length; start += 250) {
      const n = Math.min(250, data.length - start);
      const indices = Int32Array.from({ length: n }, (_, i) => start + i);
      const out = await runner.run({ input: takeBatch(data, indices).x });
      for (const [i, { layer }] of found.entries()) layer.take(out[`choice${i}`]!.data as Float32Array);
      cx.progress.update(start + n);
    }
  } finally {
    cx.progress.stop();
    await runner.close();
  }
  return found.map(({ layer }) => layer.chosen);
}

/** Of a probability, kept off 0 and 1. */
const logit = (p: number): number => {
  const inside = Math.min(Math.max(p, 1e-6), 1 - 1e-6);
  return Math.log(inside / (1 - inside));
};

/** The mean of each channel over its positions. */
const channels = (values: readonly number[], positions: number): number[] =>
  Array.from({ length: values.length / positions }, (_, c) => mean(values.slice(c * positions, (c + 1) * positions)));

/**
 * The weights with which every layer chooses the mean of what it chose, for all inputs (and all positions) alike: what makes a
 * choice sees nothing any more, and its bias says the mean.
 */
export function constantChoices(weights: Model['weights'], chosen: readonly Chosen[]): Map<string, NDArray> {
  const fixed = new Map(weights);
  for (const { kind, maker, moments, positions } of chosen) {
    const means = channels(moments.mean, positions);
    const { dims, data } = weights.get(`${maker}/weight`)!;
    fixed.set(`${maker}/weight`, ndarray('float32', [...dims], new Float32Array(data.length)));
    const bias = kind === 'weights' ? means.map(logit) : means;
    fixed.set(`${maker}/bias`, ndarray('float32', [bias.length], bias));
  }
  return fixed;
}
