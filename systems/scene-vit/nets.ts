import {
  classify,
  classToken,
  conv,
  gate,
  globalAveragePool,
  keepTokens,
  layerNorm,
  linear,
  net,
  positionEmbedding,
  scope,
  skip,
  type Tensor,
  takeToken,
  transformerLayer,
} from 'dynaneural';
import { keep, type Net } from 'dynaneural/dynamic';
import { add, concat, flatten, mul, reshape, slice, softmax, split, sub, transpose } from 'dynaneural/graph';
import { stopGradient } from 'dynaneural/nn';
import { WEATHERS } from './weather.ts';

/** How a transformer for 32 x 32 images is built. */
export interface Shape {
  /** Channels of the stem, at 16 x 16 and at 8 x 8. */
  readonly stem: readonly [number, number];
  /** Width of a token; there are 64 and the class token. */
  readonly dim: number;
  readonly depth: number;
  readonly heads: number;
}

/** 18 M MACs. */
export const FULL: Shape = { stem: [32, 64], dim: 64, depth: 6, heads: 4 };

/** For the quick form and for tests. */
export const QUICK: Shape = { stem: [8, 16], dim: 32, depth: 3, heads: 2 };

const SIDE = 8;
export const TOKENS = 1 + SIDE * SIDE;
/** Hidden width of a layer's perceptron, in widths of a token. */
const RATIO = 2;
export const CLASSES = 10;

/** Convolutions instead of large patches: transformers learn faster so (Xiao et al. 2021, arXiv:2106.14881). */
const stem = (x: Tensor, { stem: [fine, coarse] }: Shape): Tensor =>
  scope('stem', () => {
    const how = { stride: 2, norm: 'batch', activation: 'relu' } as const;
    return conv(conv(x, fine, { ...how, name: 'conv1' }), coarse, { ...how, name: 'conv2' });
  });

/** [N, 1 + 64, dim]: the class token, and one for each place of the features. */
const tokensOf = (features: Tensor, { dim }: Shape): Tensor =>
  scope('embed', () => {
    const places = reshape(conv(features, dim, { kernel: 1, name: 'map' }), [0, dim, SIDE * SIDE]);
    return positionEmbedding(classToken(transpose(places, [0, 2, 1]), { name: 'class' }), { name: 'position' });
  });

const answer = (tokens: Tensor): Tensor => classify(layerNorm(takeToken(tokens), { name: 'last' }), { name: 'answer' });

const layerName = (index: number): string => `layer${index + 1}`;

/** A vision transformer without decisions (Dosovitskiy et al. 2020, arXiv:2010.11929), with a convolutional stem. */
export const staticNet = (shape: Shape): Net =>
  net({ input: [3, 32, 32], classes: CLASSES, name: 'scene-static' }, (x) => {
    let tokens = tokensOf(stem(x, shape), shape);
    for (let i = 0; i < shape.depth; i++)
      tokens = transformerLayer(tokens, { heads: shape.heads, ratio: RATIO, name: layerName(i) });
    return answer(tokens);
  });

/** The layers before which tokens may be dropped: at thirds of the depth, as in DynamicViT (Rao et al. 2021, arXiv:2106.02034). */
export const stagesOf = ({ depth }: Shape): readonly number[] => [
  Math.max(1, Math.round(depth / 3)),
  Math.max(2, Math.round((2 * depth) / 3)),
];

/** What decides of one input: logits for each decision, kept or run where above 0. */
interface Policy {
  /** [N]: run this layer? */
  layer(index: number): Tensor;
  /** [N, heads]: keep these heads of it? */
  heads(index: number): Tensor;
  /** [N, tokens]: keep these tokens from this stage on? */
  tokens(stage: number, tokens: Tensor): Tensor;
}

/** The transformer with decisions: every layer but the first may be skipped, its heads and the tokens dropped. */
function gatedLayers(tokens: Tensor, shape: Shape, policy: Policy): Tensor {
  const { depth, heads } = shape;
  const stages = stagesOf(shape);
  let mask: Tensor | undefined;
  for (let i = 0; i < depth; i++) {
    const stage = stages.indexOf(i);
    if (stage >= 0) {
      const earlier = mask ? { mask } : {};
      const score = (t: Tensor) => policy.tokens(stage, t);
      ({ tokens, mask } = keepTokens(tokens, { threshold: 0, score, name: `tokens${stage + 1}`, ...earlier }));
    }
    const name = layerName(i);
    const among = { heads, ratio: RATIO, name, ...(mask ? { mask } : {}) };
    if (i === 0) tokens = transformerLayer(tokens, among);
    else {
      const whole = (t: Tensor): Tensor => {
        const kept = keep({ score: policy.heads(i), rule: { threshold: 0 }, family: 'heads', name: `heads${i + 1}` });
        return transformerLayer(t, { ...among, headGate: kept.mask });
      };
      tokens = skip(tokens, whole, { gate: policy.layer(i), name: `skip${i + 1}` });
    }
  }
  return answer(tokens);
}

/** What gates look at: the logits of the weather head alone, or the features of the image that the head looks at too. */
export type Reads = 'weather' | 'image';

/** sigmoid of it is 0.85: at first most is run and kept (ConvNet-AIG, Veit & Belongie 2018, arXiv:1711.11503). */
const OPEN = 1.7;

/** Gates have one tuning to learn in: their logits move so many times as fast as those of a plain linear map. */
const HASTE = 4;

/** One small net decides for all decisions, before the first layer. */
function learned(seen: Tensor, shape: Shape): Policy {
  const { depth, heads } = shape;
  const stages = stagesOf(shape).length;
  const gates = depth - 1;
  const outputs = gates + gates * heads + stages;
  const bias = new Array<number>(outputs).fill(OPEN / HASTE);
  const sizes = [
    ...new Array<number>(gates).fill(1),
    ...new Array<number>(gates).fill(heads),
    ...new Array<number>(stages).fill(1),
  ];
  const parts = split(mul(gate(seen, { outputs, bias, hidden: 32, name: 'policy' }), HASTE), sizes, 1);
  return {
    layer: (index) => parts[index - 1]!,
    heads: (index) => parts[gates + index - 1]!,
    tokens(stage, tokens) {
      const worth = linear(layerNorm(tokens, { name: 'norm' }), 1, { name: 'worth' });
      return add(reshape(worth, [0, TOKENS]), parts[2 * gates + stage]!);
    },
  };
}

/**
 * The scene-adaptive transformer, twice over the same weights: `deployed` answers class logits [N, 10]; `training` answers
 * those and the weather's logits, [N, 10 + 4].
 */
export function sceneNet(shape: Shape, reads: Reads): { readonly deployed: Net; readonly training: Net } {
  const made = (form: 'deployed' | 'training'): Net =>
    net({ input: [3, 32, 32], classes: CLASSES, name: `scene-${reads}`, onWarning: () => {} }, (x) => {
      const features = stem(x, shape);
      const weather = gate(features, { outputs: WEATHERS.length, hidden: 32, name: 'weather' });
      // Gates must not bend what the head says of the weather into something else.
      const seen = reads === 'weather' ? softmax(stopGradient(weather), 1) : flatten(globalAveragePool(features));
      const classes = gatedLayers(tokensOf(features, shape), shape, learned(seen, shape));
      return form === 'training' ? concat([classes, weather], 1) : classes;
    });
  return { deployed: made('deployed'), training: made('training') };
}

/** The class logits in what `training` answers. */
export const classLogits = (both: Tensor): Tensor => slice(both, [{ axis: 1, start: 0, end: CLASSES }]);

/** The weather's logits in it. */
export const weatherLogits = (both: Tensor): Tensor =>
  slice(both, [{ axis: 1, start: CLASSES, end: CLASSES + WEATHERS.length }]);

/** Only the weather head, [N, 4]. */
export const weatherNet = (shape: Shape): Net =>
  net({ input: [3, 32, 32], name: 'scene-head' }, (x) =>
    gate(stem(x, shape), { outputs: WEATHERS.length, hidden: 32, name: 'weather' }),
  );

/** Where in the fourth channel of a told input each decision is written. */
export const toldPlaces = (
  shape: Shape,
): Readonly<Record<string, { readonly start: number; readonly count: number }>> => {
  const layers = Array.from({ length: shape.depth - 1 }, (_, i) => i + 2);
  const list = [
    ...layers.map((n) => [`skip${n}`, 1] as const),
    ...layers.map((n) => [`heads${n}`, shape.heads] as const),
    ...stagesOf(shape).map((_, k) => [`tokens${k + 1}`, TOKENS] as const),
  ];
  let start = 0;
  return Object.fromEntries(
    list.map(([name, count]) => {
      start += count;
      return [name, { start: start - count, count }];
    }),
  );
};

/**
 * The same transformer that is told what to do: its input has a fourth channel, in which 1 stands for what is run or kept and 0
 * for what is not. So any choices can be given to any image.
 */
export function toldNet(shape: Shape): Net {
  const places = toldPlaces(shape);
  return net({ input: [4, 32, 32], classes: CLASSES, name: 'scene-told', onWarning: () => {} }, (x) => {
    const [image, told] = split(x, [3, 1], 1) as [Tensor, Tensor];
    const flags = sub(flatten(told), 0.5);
    const at = (name: string): Tensor => {
      const { start, count } = places[name]!;
      return slice(flags, [{ axis: 1, start, end: start + count }]);
    };
    return gatedLayers(tokensOf(stem(image, shape), shape), shape, {
      layer: (index) => at(`skip${index + 1}`),
      heads: (index) => at(`heads${index + 1}`),
      tokens: (stage) => at(`tokens${stage + 1}`),
    });
  });
}
