import { confidenceAt, fittedTemperatures, type Model, needsLabels, type Observations } from '../../dynamic/index.ts';
import type { NDArray } from '../../graph/index.ts';
import type { Claim, Referred } from './claim.ts';

/** What a model did, scored at the temperatures of its exits. */
export interface Calibrated {
  readonly seen: Observations;
  /** By the names of the model's weights. */
  readonly temperatures: ReadonlyMap<string, NDArray>;
}

/** Fits temperatures where there are labels; each is of one exit alone, whichever others stand beside it. */
export function calibrated(
  model: Pick<Model, 'weights' | 'classes'>,
  seen: Observations,
  { images }: Referred,
  { risk }: Claim,
): Calibrated {
  if (!needsLabels(risk)) return { seen, temperatures: new Map() };
  const { decisions, logits, n } = seen;
  const temperatures = fittedTemperatures(model, seen, images.labels);
  const classes = model.classes.length;
  const scores = seen.scores.slice();
  for (const [e, decision] of decisions.entries()) {
    const fitted = temperatures.get(`${decision}/temperature`);
    if (!fitted) continue;
    for (let i = 0; i < n; i++)
      scores[i * decisions.length + e] = Math.log(
        confidenceAt(logits[e]!, i * classes, classes, Number(fitted.data[0])),
      );
  }
  return { seen: { ...seen, scores }, temperatures };
}
