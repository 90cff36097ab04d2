import { DynaError } from '../../errors.ts';
import { formatShape, neg, reshape, slice, type Tensor } from '../../graph/index.ts';
import { gate } from '../../nn/index.ts';
import { select } from '../net.ts';
import { policyIn } from './parts.ts';

export interface SkipOptions {
  /**
   * How much an input wants the layers to run, from what comes before them: logits [N] or [N, 1], run where above 0. By
   * default `gate` on x (ConvNet-AIG).
   */
  readonly gate?: ((x: Tensor) => Tensor) | Tensor;
  /** Where the skipped input goes instead, of the layers' signature; x itself by default. */
  readonly shortcut?: (x: Tensor) => Tensor;
  readonly name?: string;
}

/** Logits [N] from [N] or [N, 1]. */
function single(logits: Tensor): Tensor {
  if (logits.rank === 1) return logits;
  if (logits.rank === 2 && logits.shape[1] === 1) return reshape(logits, [0]);
  throw new DynaError(
    'shape',
    `a gate gives one logit for each input, [N] or [N, 1], got ${formatShape(logits.shape)}`,
  );
}

/**
 * A decision: run some layers, or skip them (SkipNet, Wang et al. 2018, arXiv:1711.09485; ConvNet-AIG, Veit & Belongie 2018,
 * arXiv:1711.11503). Several blocks may stand behind one gate: the more it guards, the better it pays.
 *
 * Options: "run" where the gate's logit is above the threshold's negative (0 until calibrated), "skip" elsewhere; +Infinity as
 * threshold: nobody skips.
 *
 * @param x [N, ...]
 * @param layers what may be skipped; returns the shape of x, unless there is a `shortcut`
 * @returns what the layers return
 * @throws DynaError 'shape' where gate, layers and shortcut do not fit together
 * @example x = skip(x, (t) => residual(residual(t, 64), 64))
 */
export function skip(x: Tensor, layers: (x: Tensor) => Tensor, options: SkipOptions = {}): Tensor {
  const { shortcut = (t: Tensor) => t, name } = options;
  return select({
    family: 'skip',
    ...(name === undefined ? {} : { name }),
    score: () => neg(single(policyIn(options, 'gate', x, gate))),
    options: { run: () => layers(x), skip: () => shortcut(x) },
  });
}

/**
 * One policy for many decisions, looked up front (BlockDrop, Wu et al. 2018, arXiv:1711.08393): splits logits [N, K] into K
 * gates for `skip`.
 *
 * @throws DynaError 'shape' for logits of another form
 * @example
 * const gates = policy(gate(x, { outputs: 3, bias: [1, 1, 1] }))
 * for (const [i, width] of widths.entries()) x = skip(x, (t) => residual(t, width), { gate: gates[i] })
 */
export function policy(logits: Tensor): Tensor[] {
  const count = logits.shape[1];
  if (logits.rank !== 2 || typeof count !== 'number')
    throw new DynaError('shape', `a policy's logits are [N, K], got ${formatShape(logits.shape)}`);
  return Array.from({ length: count }, (_, k) => reshape(slice(logits, [{ axis: 1, start: k, end: k + 1 }]), [0]));
}
