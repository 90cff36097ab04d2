import { exponential, gumbel, macTarget, net, reinforce, skip, softMixture } from 'dynaneural';
import type { Net } from 'dynaneural/dynamic';
import { constantRate } from 'dynaneural/nn';
import type { TrainOptions } from 'dynaneural/train';
import { backbone, inTurn, QUICK, type Shape, untrained } from '../shared/backbone.ts';
import type { Context } from '../shared/context.ts';
import type { Splits } from '../shared/data.ts';
import { type Recipe, trainOnce } from '../shared/fit.ts';
import { quickly } from '../shared/static.ts';

/** A twelfth of the backbone: four trainings from scratch are needed for each seed. */
const SMALL: Shape = { widths: [16, 16, 32, 64], groups: [2, 2, 2] };

export const shapeOf = (cx: Context): Shape => (cx.quick ? QUICK : SMALL);

/** A constant rate: a falling one would tie the accuracy of an epoch to how many epochs are planned. */
export const recipe: Recipe = {
  epochs: 8,
  batch: 64,
  rate: 0.05,
  warmup: 0,
  decay: 5e-4,
  smoothing: 0,
  seed: 1,
};

/** Two aim at a share of the MACs; REINFORCE has a price for them instead. */
const settings = {
  gumbel: { temperature: [5, 0.5], macs: 0.6 },
  reinforce: { price: 0.3, curriculum: 1 / 3 },
  soft: { temperature: [2, 0.1], macs: 0.6 },
} as const;

export interface Way {
  /** All that decides it. */
  readonly more: unknown;
  readonly options: Pick<TrainOptions, 'decisions' | 'cost'>;
}

export const ways: Readonly<Record<string, Way>> = {
  'Gumbel-Softmax': {
    more: settings.gumbel,
    options: {
      decisions: gumbel({ temperature: exponential(...settings.gumbel.temperature) }),
      cost: macTarget(settings.gumbel.macs),
    },
  },
  REINFORCE: { more: settings.reinforce, options: { decisions: reinforce(settings.reinforce) } },
  'soft mixture': {
    more: settings.soft,
    options: {
      decisions: softMixture({ temperature: exponential(...settings.soft.temperature) }),
      cost: macTarget(settings.soft.macs),
    },
  },
};

export const gatedNet = (cx: Context, { train }: Splits): Net =>
  net(
    { input: train.shape, classes: train.classes.length, name: 'scheduled', onWarning: () => {} },
    backbone(shapeOf(cx), { group: (x, blocks, i) => skip(x, (y) => inTurn(y, blocks), { name: `gate${i + 1}` }) }),
  );

export const learn = (
  cx: Context,
  name: string,
  made: Net,
  { train, tune }: Splits,
  seed: number,
  { more, options }: Partial<Way> = {},
) =>
  trainOnce(
    cx,
    name,
    made,
    { ...quickly(cx, recipe), seed, more: { rate: 'constant', more } },
    {
      data: train,
      start: untrained(train, shapeOf(cx).widths[0]),
      validation: tune,
      options: { schedule: constantRate(recipe.rate), ...options },
    },
  );
