import type { Column, Decision, Point, Preprocessing, RegionCost } from '../dynamic/index.ts';
import type { Layout } from './layout.ts';
import type { OutputMeaning } from './meaning.ts';
import { infinityAsText } from './validate.ts';

/** The version of the card's form that this library writes, and the newest that it reads. */
export const SCHEMA = 1;

/** The metadata entry of a file that holds the card. */
export const CARD_KEY = 'dynaneural';

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
  /** Where the file's input keeps the channels of images, where that is not first. `preprocessing` has them first always. */
  readonly layout?: Layout;
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

/** A card as JSON; infinite thresholds are written as the text "Infinity". */
export const encodeCard = (card: ModelCard): string => JSON.stringify(card, infinityAsText);
