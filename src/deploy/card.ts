import { readFileSync } from 'node:fs';
import type { CertifiedModel, Column, Decision, Model, Point, Preprocessing, RegionCost } from '../dynamic/index.ts';
import { bindingHash, columnsOf, costTable, decisionsOf } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { readCardJson } from './card-json.ts';
import type { OutputMeaning } from './meaning.ts';
import { extremeMacs, isExit } from './paths.ts';
import { infinityAsText } from './validate.ts';

/** The version of the card's form that this library writes, and the newest that it reads. */
export const SCHEMA = 1;

/** What a certificate says, without the figures of each point (these stand with the points). */
export interface CardCertificate {
  readonly risk: 'harm' | 'loss' | 'disagreement';
  readonly method: 'binomial' | 'betting';
  readonly epsilon: number;
  readonly delta: number;
  /** Inputs of the certify split. */
  readonly n: number;
  readonly fullModelKept: boolean;
  /** One sentence with the figures. */
  readonly message: string;
}

/** How the file's tensors are called. */
export interface TensorNames {
  readonly input: string;
  readonly output: string;
}

/** The names in files that say nothing else. */
export const defaultNames: TensorNames = { input: 'input', output: 'logits' };

/** What a shipped file says about itself. */
export interface ModelCard {
  readonly schema: typeof SCHEMA;
  readonly name: string;
  /** Program and version that wrote it. */
  readonly createdBy: string;
  /** `rows`: any number of inputs at once; `branch`: one at a time. */
  readonly form: 'rows' | 'branch';
  /** Names of its input and output, where they are not "input" and "logits". */
  readonly names?: TensorNames;
  /** What the output holds, where that is not logits. */
  readonly output?: OutputMeaning;
  readonly classes: readonly string[];
  readonly preprocessing: Preprocessing;
  /** In the order of a trace's rows. */
  readonly decisions: readonly Decision[];
  /** What the columns of the output "trace" mean. */
  readonly columns: readonly Column[];
  readonly regions: readonly RegionCost[];
  /** MACs of the full path for one input; budgets are shares of it. */
  readonly fullMacs: number;
  /** What the logits of an exit are divided by before softmax, by the exit's name; 1 for others. */
  readonly temperatures: Readonly<Record<string, number>>;
  /** From the full model to the boldest point; never empty. */
  readonly points: readonly Point[];
  /** The point whose thresholds the file carries as defaults. */
  readonly chosen: number;
  readonly certificate?: CardCertificate;
  /** Of everything that the certificate stands on: graph, weights, thresholds and this card. */
  readonly hash?: string;
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** The card of a model that is about to be saved, without its hash. */
export function cardOf(
  model: Model | CertifiedModel,
  form: ModelCard['form'],
  io: Pick<ModelCard, 'names' | 'output'> = {},
): ModelCard {
  const { net, weights, classes, preprocessing } = model;
  const decisions = decisionsOf(net);
  const regions = costTable(net);
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
    ...('certificate' in model ? certified(model) : { points: [fullPoint(decisions)], chosen: 0 }),
  };
  // Through its own reader: the order of fields is settled, and nothing is written that could not be read.
  return readCardJson(encodeCard(card));
}

/** Every threshold at "never": what a model does before it is calibrated. */
const fullPoint = (decisions: readonly Decision[]): Point => ({
  thresholds: Object.fromEntries(decisions.filter((d) => d.rule === 'threshold').map((d) => [d.name, Infinity])),
  budget: 1,
  risk: 0,
  shares: [...decisions.filter(isExit).map(() => 0), 1],
  certified: false,
});

function certified(model: CertifiedModel): Pick<ModelCard, 'points' | 'chosen' | 'certificate'> {
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
  return { points, chosen, certificate: { risk, method, epsilon, delta, n, fullModelKept, message } };
}

/** A card as JSON; infinite thresholds are written as the text "Infinity". */
export const encodeCard = (card: ModelCard): string => JSON.stringify(card, infinityAsText);
