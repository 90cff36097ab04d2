import type { CertifiedModel, Decision, Model, Point } from '../dynamic/index.ts';
import {
  bindingHash,
  columnsOf,
  costTable,
  decisionsOf,
  extremeMacs,
  isExit,
  ownThresholds,
} from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { version } from '../version.ts';
import { encodeCard, type ModelCard, SCHEMA } from './card.ts';
import { readCardJson } from './card-json.ts';

/** The card of a model that is about to be saved, without its hash. */
export function cardOf(
  model: Model | CertifiedModel,
  form: ModelCard['form'],
  {
    regions = costTable(model.net, form),
    ...io
  }: Partial<Pick<ModelCard, 'names' | 'output' | 'layout' | 'regions'>> = {},
): ModelCard {
  const { net, weights, classes, preprocessing } = model;
  const decisions = decisionsOf(net);
  const temperatures = decisions.flatMap(({ name }): [string, number][] => {
    const value = weights.get(`${name}/temperature`);
    return value ? [[name, Number(value.data[0])]] : [];
  });
  const card: ModelCard = {
    schema: SCHEMA,
    name: net.name,
    createdBy: `dynaneural ${version}`,
    form,
    ...io,
    classes,
    preprocessing,
    decisions,
    columns: columnsOf(net),
    regions,
    fullMacs: extremeMacs({ decisions, regions }, Math.max),
    temperatures: Object.fromEntries(temperatures),
    ...('certificate' in model ? certified(model, form) : { points: [fullPoint(decisions)], chosen: 0 }),
  };
  // Through its own reader: the order of fields is settled, and nothing is written that could not be read.
  return readCardJson(encodeCard(card));
}

/** What a model does before it is calibrated: nobody exits, and gates part where they were trained to. */
const fullPoint = (decisions: readonly Decision[]): Point => ({
  thresholds: ownThresholds(decisions),
  budget: 1,
  risk: 0,
  shares: [...decisions.filter(isExit).map(() => 0), 1],
  certified: false,
});

function certified(
  model: CertifiedModel,
  form: ModelCard['form'],
): Pick<ModelCard, 'points' | 'chosen' | 'certificate'> {
  const { points, certificate } = model;
  const proven = points.filter((p) => p.certified);
  if (bindingHash(model.weights, model.preprocessing, proven) !== model.hash)
    throw new DynaError(
      'certificate',
      `the weights, thresholds or preprocessing of "${model.net.name}" are not those that were certified`,
      { fix: 'certify the model as it is now' },
    );
  const { risk, method, epsilon, delta, n, fullModelKept, message } = certificate;
  const chosen = points.indexOf(model.chosen);
  if (!points[chosen]?.certified)
    throw new DynaError('certificate', `the chosen point of "${model.net.name}" is none of its certified points`, {
      fix: 'choose one of model.points',
    });
  return {
    points: points.map((p) => inForm(p, form)),
    chosen,
    certificate: { risk, method, epsilon, delta, n, fullModelKept, message },
  };
}

/** A point as a file of one form tells it: its budget is the share of MACs that this file saves. */
const inForm = ({ batched, ...point }: Point, form: ModelCard['form']): Point =>
  batched !== undefined && form === 'rows' ? { ...point, budget: batched } : point;
