import { DynaError } from '../../errors.ts';
import {
  add,
  argMax,
  cast,
  constant,
  div,
  equal,
  formatShape,
  layerScope,
  mul,
  ndarray,
  reduceMax,
  reduceSum,
  scope,
  scoped,
  softmax,
  sub,
  type Tensor,
} from '../../graph/index.ts';
import { linear, pooled } from '../../nn/index.ts';
import type { Among } from '../decision.ts';
import { select } from '../net.ts';
import { blank, checkAlike, column, policyIn, scaled } from './parts.ts';

const FAMILY = 'experts';

/** Puts an expert that is as good as the second, but not it, behind. */
const TIE = 1e-6;

export interface ExpertsOptions {
  /** Logits [N, experts], from what comes before; a linear map of the pooled input by default. */
  readonly router?: ((x: Tensor) => Tensor) | Tensor;
  /** How many experts answer each input: 1 (default) or 2. */
  readonly top?: 1 | 2;
  readonly name?: string;
}

/**
 * Hard experts: each input is answered by the one (Switch, Fedus et al. 2021, arXiv:2101.03961) or two experts
 * (Shazeer et al. 2017, arXiv:1701.06538) that a router finds best, times their share of its softmax, through which the
 * router learns. Train with `loadBalance`, else few experts get all inputs.
 *
 * One expert: a decision with an option for each. Two: a decision for each expert, whether it is among the best two; training
 * too runs the best two, and the router learns through their shares.
 *
 * @param x [N, ...]
 * @param experts what each computes; all return one signature
 * @throws DynaError 'usage' for fewer than two experts, 'shape' where the router's logits do not fit
 * @example x = experts(x, [0, 1, 2, 3].map(() => (t) => residual(t, 64)), { top: 1 })
 */
export function experts(x: Tensor, list: readonly ((x: Tensor) => Tensor)[], options: ExpertsOptions = {}): Tensor {
  const { top = 1, name } = options;
  if (list.length < 2) throw new DynaError('usage', `there should be at least two experts, got ${list.length}`);
  if (top !== 1 && top !== 2) throw new DynaError('usage', `1 or 2 experts answer each input, got ${String(top)}`);
  if (top > list.length - 1)
    throw new DynaError('usage', `the best ${top} of ${list.length} experts are all of them; give more experts`);
  return layerScope('experts', name, () => {
    const logits = policyIn(options, 'router', x, (t) => linear(pooled(t), list.length, { name: 'router' }));
    if (logits.rank !== 2 || logits.shape[1] !== list.length)
      throw new DynaError(
        'shape',
        `the router should give logits [N, ${list.length}], got ${formatShape(logits.shape)}`,
      );
    return top === 1 ? best(x, list, logits) : bestTwo(x, list, logits);
  });
}

function best(x: Tensor, list: readonly ((x: Tensor) => Tensor)[], logits: Tensor): Tensor {
  const shares = softmax(logits, 1);
  return select({
    family: FAMILY,
    name: 'choice',
    score: logits,
    // Each times its own share, not the best one's: in training another may be drawn.
    options: Object.fromEntries(
      list.map((expert, k) => [`expert${k + 1}`, () => scaled(expert(x), column(shares, k))]),
    ),
    peers: true,
  });
}

function bestTwo(x: Tensor, list: readonly ((x: Tensor) => Tensor)[], logits: Tensor): Tensor {
  const places = constant(
    ndarray(
      'int64',
      [1, list.length],
      list.map((_, k) => k),
    ),
  );
  // Of equals the first: two run, whatever the router says.
  const place = (of: Tensor): Tensor => cast(equal(places, argMax(of, 1, true)), 'float32');
  const first = place(logits);
  const rest = sub(logits, mul(first, 1e9));
  const inside = add(first, place(rest));
  const second = reduceMax(rest, [1], true);
  const below = add(sub(second, logits), mul(sub(1, inside), TIE));
  const shares = mul(softmax(logits, 1), inside);
  const weights = div(shares, reduceSum(shares, [1], true));
  const group = scoped();
  const answers: Tensor[] = [];
  const parts = list.map((expert, k) =>
    scope(`expert${k + 1}`, () => {
      const answer = (): Tensor => {
        const own = expert(x);
        answers.push(own);
        checkAlike('expert', answers);
        return own;
      };
      const score = column(below, k);
      return scaled(among(answer, x, score, { group, place: k, take: 2 }), column(weights, k));
    }),
  );
  return parts.reduce((a, b) => add(a, b));
}

/** An expert's answer where its logit is not below the second best, zeros of its signature elsewhere. */
function among(expert: () => Tensor, x: Tensor, below: Tensor, place: Among): Tensor {
  let signature: Tensor | undefined;
  return select({
    family: FAMILY,
    name: 'choice',
    score: below,
    options: {
      run() {
        signature = expert();
        return signature;
      },
      none: () => blank(x, signature!.shape.slice(1) as number[]),
    },
    among: place,
  });
}
