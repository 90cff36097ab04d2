import type { Dataset } from '../../data/index.ts';
import { type Model, type Net, parametersOf } from '../../dynamic/index.ts';
import type { NDArray } from '../../graph/index.ts';
import { features } from './features.ts';
import type { Foreign } from './foreign.ts';
import { trainGates } from './gates.ts';
import { trainHeads, withExits } from './heads.ts';
import type { AdaptOptions, AdaptStage, Way } from './options.ts';
import type { ExitPlan, Place } from './plan.ts';
import { harmless, referenceAnswers } from './reference.ts';
import { describeSkip, skipPlaces, withSkips } from './skips.ts';
import { beforeOriginal, between, tune, WAYPOINTS } from './tune.ts';
import type { Work } from './work.ts';

/** The original as it is, in our form. */
export const plain = (model: Model, { logits, input }: Foreign): Model => ({
  ...model,
  net: { ...model.net, input, output: logits },
});

export interface Learned {
  readonly ways: readonly {
    readonly way: Way;
    /** With an exit at every place that is tried, or with gates. */
    readonly all: Model;
    /** With exits at some of them; absent where there are none. */
    readonly made?: (exits: readonly Place[]) => Model;
    /** What leaves nowhere begins the model anew. */
    readonly again?: boolean;
  }[];
  readonly views: number;
  readonly notes: readonly string[];
}

/** What may be certified: the frozen model first, then what tuning gave. */
export async function learn(
  foreign: Foreign,
  { exits }: ExitPlan,
  images: Dataset,
  work: Work,
  options: AdaptOptions,
): Promise<Learned> {
  const { data, seed = 1, views = 4, session, signal, onProgress } = options;
  const shared = { seed, ...(session ? { session } : {}), ...(signal ? { signal } : {}) };
  const places = exits.map((e) => [e.name, e.head]);
  const onTraining = (stage: AdaptStage) => (p: { step: number; steps: number; loss: number; secondsLeft: number }) =>
    onProgress?.(stage, p.step, p.steps, { loss: p.loss.toFixed(3), left: `${p.secondsLeft.toFixed(0)} s` });

  const rows = await features(foreign, exits, images, {
    ...shared,
    views,
    folder: await work.part('features', places, views, seed),
    ...(options.memory === undefined ? {} : { memory: options.memory }),
    onProgress: (done, total) => onProgress?.('features', done, total),
  });
  let heads: ReadonlyMap<string, NDArray>;
  try {
    heads = await trainHeads(exits, rows, {
      ...shared,
      // A training knows its data by content or, from disk, by name: it never goes on from one to the other.
      folder: await work.part('heads', places, views, seed, options.epochs, rows.streamed),
      ...(options.epochs === undefined ? {} : { epochs: options.epochs }),
      onProgress: onTraining('heads'),
    });
  } finally {
    await rows.close();
  }
  const name = options.name ?? 'adapted';
  const { shape, mean, std } = data;
  const common = {
    classes: foreign.classes,
    preprocessing: { shape, scale: data.inputs instanceof Uint8Array ? 1 / 255 : 1, mean, std },
  };
  const modelOf = (net: Net, weights: ReadonlyMap<string, NDArray>): Model => ({
    ...common,
    net,
    weights: new Map(parametersOf(net).map((p) => [p.name, weights.get(p.name)!])),
  });
  const withHeads = (weights: ReadonlyMap<string, NDArray>) => (some: readonly Place[]) =>
    modelOf(withExits(foreign, some, name), weights);
  const asItIs = withHeads(new Map([...foreign.weights, ...heads]));
  const frozen: Model = asItIs(exits);
  const notes = rows.streamed ? ['features were read from disk: they are more than the memory limit'] : [];
  const found: Learned = { ways: [{ way: 'frozen', all: frozen, made: asItIs }], views: rows.rows.length, notes };
  if (!options.tune) return found;

  const settings = options.tune === true ? {} : options.tune;
  const augment = await harmless(foreign, images, shared);
  const labelled = images.classes.length === foreign.classes.length;
  const labels = labelled ? images.labels : await referenceAnswers(foreign, images, shared);
  const whole: Model = { ...plain(frozen, foreign), weights: foreign.weights };
  const taught: Dataset = { ...images, labels, classes: [...foreign.classes] };
  const tuned = await tune(
    { original: whole, start: frozen, images: taught },
    {
      ...shared,
      ...settings,
      augment,
      folder: await work.part('backbone', places, views, seed, options.epochs, settings, labelled, augment),
      onProgress: onTraining('backbone'),
    },
  );
  const gated = options.skips ? await skipping() : { ways: [], notes: [] };
  const before = (some: readonly Place[]) => {
    const { net, weights } = beforeOriginal(foreign, some, name, tuned);
    return modelOf(net, weights);
  };
  return {
    ...found,
    ways: [
      ...found.ways,
      ...WAYPOINTS.map((share) => {
        const made = withHeads(between(frozen.weights, tuned, share));
        return { way: 'tuned', all: made(exits), made } as const;
      }),
      { way: 'tuned, then original', all: before(exits), made: before, again: true },
      ...gated.ways,
    ],
    notes: [...notes, ...gated.notes],
  };

  async function skipping(): Promise<Pick<Learned, 'ways' | 'notes'>> {
    const skips = skipPlaces(foreign);
    if (skips.length === 0)
      return { ways: [], notes: ['no residual block is large enough for a gate of its own, so no skips were tried'] };
    const gates = withSkips(foreign, skips, name);
    const weights = await trainGates(
      { original: whole, start: { ...common, net: gates, weights: foreign.weights }, places: skips, images: taught },
      {
        ...shared,
        ...settings,
        augment,
        folder: await work.part('gates', seed, settings, labelled, augment),
        onProgress: onTraining('gates'),
      },
    );
    return {
      ways: [{ way: 'skips', all: modelOf(gates, weights) }],
      notes: skips.map((s) => `a gate was tried before ${describeSkip(s)}`),
    };
  }
}
