import type { Dataset } from '../../data/index.ts';
import { lossOf, type Observations, type ObserveOptions, type Risk, reachOf } from '../../dynamic/index.ts';

/** What an adapted model is held to. */
export interface Claim {
  /**
   * `disagreement`: another answer than the original's. On labelled images `harm`: wrong where the original is right; `loss`: the
   * same less what is right where the original is wrong.
   */
  readonly risk: Risk;
  readonly epsilon: number;
  readonly delta: number;
}

/** A claim, and the risk that a point should show on the tune part to be certified in all likelihood. */
export interface Goal extends Claim {
  readonly reach: number;
}

/** @param n images that the claim will be tested on */
export const goalOf = (claim: Claim, n: number): Goal => ({
  ...claim,
  reach: reachOf(claim.risk, n, claim),
});

/** Images with the original's answers to them, [n]. */
export interface Referred {
  readonly images: Dataset;
  readonly reference: Int32Array;
}

/** How a model is run over images. */
export type RunOptions = Pick<ObserveOptions, 'batch' | 'session' | 'onProgress'>;

/** The loss of image `i` where it gets a class. */
export const lossAt = ({ images, reference }: Referred, { risk }: Claim, i: number, answer: number): -1 | 0 | 1 =>
  lossOf(risk, answer, reference[i]!, images.labels[i]!);

/** The losses of all that a model may answer, [n, exits + 1]. */
export const answerLosses = (
  { answers, names }: Pick<Observations, 'answers' | 'names'>,
  tune: Referred,
  claim: Claim,
): Int8Array => Int8Array.from(answers, (a, i) => lossAt(tune, claim, Math.floor(i / names.length), a));
