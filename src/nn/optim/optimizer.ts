import { DynaError } from '../../errors.ts';
import type { Tensor } from '../../graph/index.ts';

/** What one step of an optimiser is given. */
export interface Update {
  /** All trained parameters as one vector [P]. */
  readonly param: Tensor;
  /** The loss's gradient by them, [P]. */
  readonly gradient: Tensor;
  /** What the optimiser keeps between steps, [P] each, zero before the first. */
  readonly slots: readonly Tensor[];
  /** The learning rate, a scalar. */
  readonly lr: Tensor;
  /** The number of this step as a float scalar, 1 at the first. */
  readonly step: Tensor;
  /** [P]: 1 where weights decay (role 'weight'), 0 elsewhere. */
  readonly decay: Tensor;
}

/** A pure rule that writes one step of descent as graph. It keeps nothing itself. */
export interface Optimizer {
  readonly name: string;
  /** A peak learning rate that suits it where nobody names one. */
  readonly lr: number;
  /** Names of the slots, in order. */
  readonly slots: readonly string[];
  update(step: Update): { readonly param: Tensor; readonly slots: readonly Tensor[] };
}

/** A setting of an optimiser: `low` to `high`, the upper end excluded. */
export function checkSetting(name: string, value: number, low: number, high: number): void {
  if (!(value >= low && value < high))
    throw new DynaError('usage', `${name} should be at least ${low} and below ${high}, got ${value}`);
}
