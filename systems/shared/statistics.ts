import type { Trained } from 'dynaneural';
import { parametersOf } from 'dynaneural/dynamic';
import type { NDArray } from 'dynaneural/graph';

/** A trained net with the statistics that it started with: where gates alone learnt, those of all else are to stay. */
export function withStatistics(trained: Trained, start: ReadonlyMap<string, NDArray>): Trained {
  const measured = parametersOf(trained.net).flatMap(({ name, role }) => {
    const value = role === 'statistic' ? start.get(name) : undefined;
    return value ? [[name, value] as const] : [];
  });
  return { ...trained, weights: new Map([...trained.weights, ...measured]) };
}
