import { confidenceAt, fitTemperature, type Model, needsLabels, type Observations } from '../../dynamic/index.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import type { Claim, Referred } from './against.ts';

/** What a model did, scored at the temperatures of its exits. */
export interface Heated {
  readonly seen: Observations;
  /** By the names of the model's weights. */
  readonly temperatures: ReadonlyMap<string, NDArray>;
}

/** Fits temperatures where there are labels; each is of one exit alone, whichever others stand beside it. */
export function heat({ weights }: Pick<Model, 'weights'>, seen: Observations, tune: Referred, { risk }: Claim): Heated {
  const temperatures = new Map<string, NDArray>();
  if (!needsLabels(risk)) return { seen, temperatures };
  const { decisions, logits, n } = seen;
  const scores = seen.scores.slice();
  for (const [e, decision] of decisions.entries()) {
    const name = `${decision}/temperature`;
    if (!weights.has(name)) continue;
    const classes = logits[e]!.length / n;
    const { temperature } = fitTemperature(logits[e]!, tune.images.labels, classes);
    temperatures.set(name, ndarray('float32', [], [temperature]));
    for (let i = 0; i < n; i++)
      scores[i * decisions.length + e] = Math.log(confidenceAt(logits[e]!, i * classes, classes, temperature));
  }
  return { seen: { ...seen, scores }, temperatures };
}
