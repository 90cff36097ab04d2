import { cut, type Dataset, type Model, recalibrate, sparse, type Trained } from 'dynaneural';
import { takeBatch } from 'dynaneural/data';
import type { Net } from 'dynaneural/dynamic';
import { encodeModel, toOnnx } from 'dynaneural/graph';
import { clock, type Ticks } from '../shared/clock.ts';
import { type Context, digest, digests, phase } from '../shared/context.ts';
import { describe, type Splits } from '../shared/data.ts';
import { accuracyOf, plainBytes, runFile } from '../shared/evaluate.ts';
import { type Recipe, trainOnce, weightsDigest } from '../shared/fit.ts';
import { quickly } from '../shared/static.ts';
import { warped } from '../shared/warp.ts';
import { type Chosen, chosenOn, constantChoices, dealt } from './choices.ts';

type Weighted = Pick<Model, 'net' | 'weights'>;

/** All images but the upright test are warped so, each by its own transform. */
const warp = { degrees: 45, scale: [0.7, 1.2] } as const;

/** The same for every net, from scratch. Images were moved enough: they are only mirrored at random. */
const augment = { flip: true };
const recipe: Recipe = {
  ...{ epochs: 6, batch: 64, rate: 0.05, warmup: 0.25, decay: 5e-4, smoothing: 0, seed: 1 },
  more: { augment },
};

/** The parts of the data that are used here; nothing is certified. */
export interface Warped {
  readonly train: Dataset;
  /** Means of choices are taken here. */
  readonly tune: Dataset;
  readonly test: Dataset;
  /** The test images as they are. */
  readonly upright: Dataset;
  readonly told: string;
}

export function warpedSplits(cx: Context, splits: Splits): Warped {
  const parts = ['train', 'tune', 'test'] as const;
  cx.progress.start('warp images', parts.length);
  const [train, tune, test] = parts.map((part, i) => {
    const made = warped(splits[part], { ...warp, seed: i + 1 });
    cx.progress.update(i + 1);
    return made;
  }) as [Dataset, Dataset, Dataset];
  cx.progress.stop();
  const told = `${describe(splits)}; each image turned by an angle of its own (uniform within ${warp.degrees} degrees either way) and enlarged by a factor of its own (uniform, ${warp.scale.join(' to ')}), bilinear, black outside, the same images in all epochs; nothing is certified`;
  return { train, tune, test, upright: splits.test, told };
}

export const learn = (cx: Context, name: string, net: Net, { train }: Warped, seed: number): Promise<Trained> =>
  trainOnce(
    cx,
    `deformable-${name}-${seed}`,
    net,
    { ...quickly(cx, recipe), seed },
    { data: train, options: { augment } },
  );

const key = ({ weights }: Weighted, data: Dataset, form = 'own') => ({
  ...{ own: weightsDigest(weights), form, data: data.name, n: data.length },
  warp: digest(warp),
});

/** Share of right answers. */
export const accuracyOn = (cx: Context, title: string, model: Weighted, data: Dataset): Promise<number> =>
  phase(cx, 'deformable-accuracy', key(model, data), async () =>
    accuracyOf((await runFile(cx, title, plainBytes(model.net, model.weights), data)).answers, data),
  );

/** What the layers of a net choose on a data set. */
export const choicesOn = (cx: Context, title: string, model: Weighted, data: Dataset): Promise<readonly Chosen[]> =>
  phase(cx, 'deformable-choices', key(model, data), () => chosenOn(cx, title, model, data));

/** What a net is worth whose choices do not look: those of another image, or their means for all. */
export async function blindOn(
  cx: Context,
  title: string,
  model: Trained,
  { train, tune, test }: Warped,
): Promise<{ readonly dealt: number; readonly constant: number }> {
  const chosen = await choicesOn(cx, `${title}: choices, tune`, model, tune);
  return phase(cx, 'deformable-blind', key(model, test), async () => {
    const right = async (what: string, { net, weights }: Weighted) =>
      accuracyOf((await runFile(cx, `${title}: ${what}`, plainBytes(net, weights), test)).answers, test);
    const means = { ...model, weights: constantChoices(model.weights, chosen) };
    // Features behind constant choices are others, so their statistics are measured anew.
    const constant = await recalibrate(means, train, { seed: model.seed, augment });
    return {
      dealt: await right('choices of others', { ...model, net: dealt(model.net) }),
      constant: await right('mean choices', constant),
    };
  });
}

/** One image: kernels are mixed, then used once. */
const aloneBytes = ({ net, weights }: Weighted): Uint8Array =>
  encodeModel(toOnnx({ logits: sparse(cut(net), {}, { form: 'branch' }).output }, { weights }));

/** Milliseconds of one image, alone and in batches of 64. */
export interface Times {
  readonly one: Ticks;
  readonly many: Ticks;
}

/** Times of nets, in turns in one process. In batches all kernels are used, and what comes out is mixed. */
export async function timesOn(
  cx: Context,
  models: Readonly<Record<string, Weighted>>,
  data: Dataset,
): Promise<Readonly<Record<string, Times>>> {
  const runs = cx.quick ? { one: 100, many: 3 } : { one: 1000, many: 50 };
  const all = Object.entries(models);
  const filesOf = (bytes: (model: Weighted) => Uint8Array) =>
    Object.fromEntries(all.map(([name, model]) => [name, bytes(model)]));
  const ones = filesOf(aloneBytes);
  const batches = filesOf(({ net, weights }) => plainBytes(net, weights));
  return phase(cx, 'deformable-times', { ones: digests(ones), batches: digests(batches), runs }, async () => {
    const indices = Int32Array.from({ length: Math.min(data.length, 1000) }, (_, i) => i);
    const { x: images } = takeBatch(data, indices);
    const timed = async (batch: number, count: number, files: Readonly<Record<string, Uint8Array>>) => {
      cx.progress.start(`times, batches of ${batch}`, count);
      const found = await clock(files, { images, batch, runs: count, onProgress: (done) => cx.progress.update(done) });
      cx.progress.stop();
      return found;
    };
    const one = await timed(1, runs.one, ones);
    const many = await timed(64, runs.many, batches);
    return Object.fromEntries(all.map(([name]): [string, Times] => [name, { one: one[name]!, many: many[name]! }]));
  });
}
