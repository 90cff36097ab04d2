import type { Thresholds } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { type NDArray, type ParamAttrs, sizeOf } from '../graph/index.ts';
import { materialize, paramsOf } from '../nn/index.ts';
import { compile, type SessionOptions } from '../runtime/index.ts';
import { type CascadeStage, cascade } from './cascade.ts';
import { type Explained, explainable } from './explainable.ts';
import { decisionGradient } from './gradient.ts';
import { mapOf } from './maps.ts';

const SEED = 1_000_003;

/** Trained parameters that are randomised together. */
export interface RandomLayer {
  readonly name: string;
  readonly params: readonly ParamAttrs[];
}

export interface RandomisationOptions {
  /** What is explained, as "decision/exit1". */
  readonly target: string;
  readonly thresholds?: Thresholds;
  /** Of the random weights. Another one than the training's, or a layer gets its first weights back; by default one that nobody trains with. */
  readonly seed?: number;
  readonly session?: SessionOptions;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The layers that a target's score depends on, from the last to the first. A layer is a weight with what belongs to it: its
 * bias, and scale and bias of its normalisation. Running statistics and temperatures are measured, and are none.
 */
export function layersBefore(model: Explained, target: string): RandomLayer[] {
  const { decisions, answers } = explainable(model);
  const value =
    decisions.find(({ name }) => `decision/${name}` === target)?.score ??
    answers.find(({ name }) => `answer/${name}` === target)?.logits;
  if (!value) throw new DynaError('usage', `there is no "${target}" to explain`);
  const layers: { name: string; params: ParamAttrs[] }[] = [];
  for (const p of paramsOf([value])) {
    if (p.role === 'statistic') continue;
    if (p.role === 'weight' || layers.length === 0)
      layers.push({ name: p.name.slice(0, p.name.lastIndexOf('/')) || p.name, params: [p] });
    else layers.at(-1)!.params.push(p);
  }
  return layers.reverse();
}

/** The weights with these layers drawn anew, as at the start of a training. */
export function randomised(
  weights: ReadonlyMap<string, NDArray>,
  layers: readonly RandomLayer[],
  seed: number,
): Map<string, NDArray> {
  const fresh = materialize(
    layers.flatMap((l) => l.params),
    seed,
  );
  return new Map([...weights, ...fresh]);
}

/**
 * The parameter-randomisation check (Adebayo et al. 2018, arXiv:1810.03292) for the gradient saliency of a decision or an
 * answer, on given inputs [n, ...shape]. An answer is explained by the class that it names itself.
 *
 * Maps are sums over channels; running statistics of normalisations stay as they were trained.
 *
 * @throws DynaError as `decisionGradient`
 * @example
 * const stages = await randomisationCheck(trained, takeBatch(test, [0, 1, 2]).x, { target: 'decision/exit1', seed: 7 })
 */
export async function randomisationCheck(
  model: Explained,
  inputs: NDArray,
  { target, thresholds, seed = SEED, session, onProgress }: RandomisationOptions,
): Promise<CascadeStage[]> {
  const layers = layersBefore(model, target);
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const [n, ...shape] = inputs.dims;
  const size = sizeOf(shape);
  const maps = async (names: readonly string[]): Promise<Float32Array[]> => {
    const weights = randomised(
      model.weights,
      names.map((name) => byName.get(name)!),
      seed,
    );
    const { bytes } = decisionGradient(
      { ...model, weights },
      { targets: [target], ...(thresholds ? { thresholds } : {}) },
    );
    const runner = await compile(bytes, session);
    try {
      const out = await runner.run({ [model.net.input.node.attrs.name]: inputs }, { outputs: [target] });
      onProgress?.(names.length + 1, layers.length + 1);
      const data = out[target]!.data as Float32Array;
      return Array.from({ length: n! }, (_, i) => mapOf(data.subarray(i * size, (i + 1) * size), shape, 'sum'));
    } finally {
      await runner.close();
    }
  };
  return cascade({ layers: layers.map((l) => l.name), maps });
}
