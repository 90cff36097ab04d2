import type { Model } from '../dynamic/model.ts';

/** How decisions that are no exits went; absent where a net has none. */
export interface DecisionMetrics {
  /** Share of inputs that took each option, by "decision/option". */
  readonly rate?: Readonly<Record<string, number>>;
  /** Mean expected MACs, as a share of the full ones. */
  readonly cost?: number;
}

/** What one epoch did. Accuracies and entropies are means over its batches, by the answer's name ("exit1", "final"). */
export interface EpochMetrics extends DecisionMetrics {
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy: Readonly<Record<string, number>>;
  readonly entropy: Readonly<Record<string, number>>;
  /** On the held-out split given as `validation`, at inference; absent without one. */
  readonly validation?: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly imagesPerSecond: number;
}

/** A trained net. */
export interface Trained extends Model {
  readonly seed: number;
  readonly history: readonly EpochMetrics[];
  readonly training: { readonly epochs: number; readonly seconds: number; readonly imagesPerSecond: number };
}
