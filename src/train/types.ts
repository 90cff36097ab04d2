import type { Model } from '../dynamic/model.ts';

/** What one epoch did. Accuracies and entropies are means over its batches, by the answer's name ("exit1", "final"). */
export interface EpochMetrics {
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
