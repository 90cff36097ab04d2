import { fromStored } from '../../../src/deploy/layout.ts';
import { isExit } from '../../../src/dynamic/decision.ts';
import {
  type Curve,
  cascade,
  deletion,
  type GradientAt,
  gradientTimesInput,
  insertion,
  integratedGradients,
  mapOf,
  randomOrder,
  ranking,
  rise,
  type Scorer,
  smoothGrad,
} from '../../../src/explain/algorithms.ts';
import { FILE_ANSWER } from '../../../src/explain/from-file.ts';
import { decisionGradient, type GradientGraph } from '../../../src/explain/gradient.ts';
import type { NDArray } from '../../../src/graph/array.ts';
import { decodeModel, encodeModel, stripDefaults } from '../../../src/graph/onnx/index.ts';
import type { OpenModel } from './model.ts';
import { Session } from './ort.ts';
import type { Checked, Inputs, Likeness, Method, Thresholds, Why } from './protocol.ts';
import { matricesOf, shuffled } from './shuffle.ts';

const SUFFIX = '/threshold';
const STAGES = 24;
const RANDOM_ORDERS = 3;
const MASKS = 300;

interface Gradient {
  readonly graph: GradientGraph;
  readonly session: Session;
}

/** Whether a target's score has no gradient, so that only RISE is left. */
const isFlat = (error: unknown): boolean => (error as { code?: string }).code === 'gradient';

/** Why a model decided as it did: gradients of its scores and answers, made from the file itself. */
export class Explainer {
  readonly #model: OpenModel;
  readonly #gradients = new Map<string, Promise<Gradient | undefined>>();

  constructor(model: OpenModel) {
    this.#model = model;
  }

  /** What can be explained: every decision's score, and the answer. */
  static targets(decisions: readonly { readonly name: string }[]): string[] {
    return [...decisions.map((d) => `decision/${d.name}`), `answer/${FILE_ANSWER}`];
  }

  /** The gradient graph of one target; undefined where its score moves in steps. */
  #gradient(target: string): Promise<Gradient | undefined> {
    const known = this.#gradients.get(target);
    if (known) return known;
    const made = (async () => {
      try {
        const graph = decisionGradient(this.#model.bytes, { targets: [target] });
        const thresholds = graph.defaults.filter((name) => name.endsWith(SUFFIX));
        return { graph, session: await Session.open(stripDefaults(graph.bytes, thresholds)) };
      } catch (error) {
        if (isFlat(error)) return undefined;
        throw error;
      }
    })();
    this.#gradients.set(target, made);
    return made;
  }

  /** The gradient graph as a file. */
  async file(target: string): Promise<Uint8Array> {
    const found = await this.#gradient(target);
    if (!found) throw new Error(`The score of ${target} moves in steps: it has no gradient. Use RISE.`);
    return found.graph.bytes;
  }

  #feeds(session: Session, values: Float32Array, n: number, thresholds: Thresholds): Record<string, NDArray> {
    const feeds = this.#model.feeds({ dtype: 'float32', dims: [n, ...this.#shape], data: values }, thresholds);
    return Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputs.includes(name)));
  }

  get #shape(): readonly number[] {
    return this.#model.card.preprocessing.shape;
  }

  #gradientAt(session: Session, target: string, thresholds: Thresholds): GradientAt {
    return async (x, n) => {
      const { [target]: gradient } = await session.run(this.#feeds(session, x, n, thresholds), [target]);
      return fromStored(gradient!, this.#model.card.layout).data as Float32Array;
    };
  }

  /** How sure the target is: of an exit or of the answer, of the class that it names for the whole input. */
  async #scorer(target: string, x: Float32Array, thresholds: Thresholds): Promise<Scorer> {
    const { card } = this.#model;
    const decision = card.decisions.find((d) => `decision/${d.name}` === target);
    if (decision && !isExit(decision)) {
      const found = await this.#gradient(target);
      if (!found) throw new Error(`The score of "${decision.name}" could not be followed.`);
      const name = `${target}/value`;
      return async (inputs, n) =>
        (await found.session.run(this.#feeds(found.session, inputs, n, thresholds), [name]))[name]!
          .data as Float32Array;
    }
    const forced = decision ? { ...thresholds, ...this.#leavingAt(decision.name) } : thresholds;
    const width = card.classes.length;
    const sure = async (inputs: Float32Array, n: number): Promise<Float32Array> =>
      (await this.#model.run({ values: inputs, n }, forced)).probabilities;
    const first = await sure(x, 1);
    const answer = first.indexOf(Math.max(...first));
    return async (inputs, n) => {
      const found = await sure(inputs, n);
      return Float32Array.from({ length: n }, (_, i) => found[i * width + answer]!);
    };
  }

  /** Thresholds at which everyone leaves at one exit. */
  #leavingAt(name: string): Thresholds {
    const exits = this.#model.card.decisions.filter(isExit).map((d) => d.name);
    return Object.fromEntries(exits.map((e) => [e, e === name ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY]));
  }

  /** A map of what a target's score rests on, and how well it points: areas under deletion and insertion, beside random orders. */
  async why({ values }: Inputs, target: string, wanted: Method, thresholds: Thresholds): Promise<Why> {
    const shape = this.#shape;
    const x = (this.#model.normalise({ values, n: 1 }).data as Float32Array).slice();
    const found = await this.#gradient(target);
    const method = found ? wanted : 'rise';
    const score = await this.#scorer(target, x, thresholds);
    const map = await this.#map(x, target, method, found?.session, score, thresholds);
    const curves = async (order: Int32Array) => [
      await deletion(x, shape, order, score, { steps: STAGES }),
      await insertion(x, shape, order, score, { steps: STAGES }),
    ];
    const [away, back] = (await curves(ranking(map))) as [Curve, Curve];
    const random: Curve[][] = [];
    for (let k = 0; k < RANDOM_ORDERS; k++) random.push(await curves(randomOrder(map.length, k + 1)));
    return {
      map,
      method,
      deletion: away,
      insertion: back,
      randomDeletion: meanCurve(random.map((r) => r[0]!)),
      randomInsertion: meanCurve(random.map((r) => r[1]!)),
    };
  }

  async #map(
    x: Float32Array,
    target: string,
    method: Method,
    session: Session | undefined,
    score: Scorer,
    thresholds: Thresholds,
  ): Promise<Float32Array> {
    const shape = this.#shape;
    if (method === 'rise' || !session) return (await rise(x, shape, score, { masks: MASKS, batch: 32 }))[0]!;
    const gradient = this.#gradientAt(session, target, thresholds);
    if (method === 'smooth') return mapOf(await smoothGrad(x, gradient, { samples: 16, batch: 16 }), shape);
    if (method === 'integrated')
      return mapOf(await integratedGradients(x, shape, gradient, { steps: 16, batch: 16 }), shape, 'sum');
    const plain = await gradient(x, 1);
    return method === 'product' ? mapOf(gradientTimesInput(x, shape, plain), shape, 'sum') : mapOf(plain, shape);
  }

  /**
   * The check by random weights (Adebayo et al. 2018): the weights of the layers are shuffled, from the last to the first, and the
   * gradient maps compared with those of the net as it is. Maps that stay alike show the input, not the model.
   */
  async check(inputs: Inputs, target: string, thresholds: Thresholds): Promise<Checked> {
    const found = await this.#gradient(target);
    if (!found) throw new Error(`The score of ${target} has no gradient to be checked.`);
    const shape = this.#shape;
    const x = (this.#model.normalise(inputs).data as Float32Array).slice();
    const size = x.length / inputs.n;
    const graph = decodeModel(found.graph.bytes);
    const strip = found.graph.defaults.filter((name) => name.endsWith(SUFFIX));
    const maps = async (layers: readonly string[]): Promise<Float32Array[]> => {
      const session = await Session.open(stripDefaults(encodeModel(shuffled(graph, layers)), strip));
      try {
        const data = await this.#gradientAt(session, target, thresholds)(x, inputs.n);
        return Array.from({ length: inputs.n }, (_, i) => mapOf(data.subarray(i * size, (i + 1) * size), shape, 'sum'));
      } finally {
        await session.close();
      }
    };
    const stages = await cascade({ layers: matricesOf(graph).reverse(), maps });
    const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
    return stages.map((s): Likeness => ({ layer: s.layer, alike: mean(s.magnitude) }));
  }

  async close(): Promise<void> {
    for (const gradient of this.#gradients.values()) await (await gradient)?.session.close();
  }
}

function meanCurve(curves: readonly Curve[]): Curve {
  const { shares } = curves[0]!;
  const mean = (of: (c: Curve) => number): number => curves.reduce((sum, c) => sum + of(c), 0) / curves.length;
  return { shares, scores: shares.map((_, k) => mean((c) => c.scores[k]!)), area: mean((c) => c.area) };
}
