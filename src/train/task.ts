import { createHash } from 'node:crypto';
import { DynaError } from '../errors.ts';
import { input, type NDArray, ndarray, sizeOf, type Tensor } from '../graph/index.ts';
import { crossEntropy } from '../nn/index.ts';

/** Something that is known of each item beside its class: boxes as maps, a second label, a value to predict. */
export interface Target {
  /** Of one item. */
  readonly shape: readonly number[];
  /** The values of an item, by its number in the training data; read anew for each step. */
  of(item: number): ArrayLike<number>;
}

/** What a batch should come out as. */
export interface Wanted {
  /** int64 [N]: class numbers, -1 throughout where the data has none. */
  readonly labels: Tensor;
  /** float32 [N, ...shape], by name. */
  readonly targets: Readonly<Record<string, Tensor>>;
}

/**
 * What a net learns: from its answers and what they should be to a loss. `classification` is the task of every training that
 * names no other.
 *
 * @example
 * const regression: Task = {
 *   name: 'load',
 *   targets: { load: { shape: [1], of: (i) => [loads[i]] } },
 *   loss: (answer, { targets }) => mse(answer, targets.load),
 * }
 */
export interface Task {
  readonly name: string;
  readonly targets?: Readonly<Record<string, Target>>;
  /** The loss of one answer of the net: a scalar, or better [N], one for each input, which REINFORCE rewards by. */
  loss(answer: Tensor, wanted: Wanted): Tensor;
  /** The class logits [N, classes] in an answer: what is counted as right or wrong, and what teachers teach. */
  logits?(answer: Tensor): Tensor;
}

/** -log p[label], with a share of the target spread evenly over all classes. */
export const classification = ({ smoothing = 0 }: { readonly smoothing?: number } = {}): Task => ({
  name: 'classification',
  loss: (answer, { labels }) => crossEntropy(answer, labels, { smoothing, reduction: 'none' }),
  logits: (answer) => answer,
});

/** The class logits in an answer. @throws DynaError 'usage' where the task has none */
export function logitsOf(task: Task, answer: Tensor, what: string): Tensor {
  if (!task.logits)
    throw new DynaError(
      'usage',
      `${what} needs class logits, which the answers of the task "${task.name}" do not hold`,
      {
        fix: 'give the task `logits`, or leave it out',
      },
    );
  return task.logits(answer);
}

/** Names of the step's inputs must not meet those of the targets. */
const feedName = (name: string): string => `target/${name}`;

/** The inputs that hold the targets of a batch. */
export const wantedOf = ({ targets = {} }: Task, labels: Tensor, batch: number): Wanted => ({
  labels,
  targets: Object.fromEntries(
    Object.entries(targets).map(([name, { shape }]) => [name, input(feedName(name), [batch, ...shape])]),
  ),
});

function valuesOf(name: string, target: Target, item: number): ArrayLike<number> {
  const values = target.of(item);
  if (values.length !== sizeOf(target.shape))
    throw new DynaError(
      'data',
      `the target "${name}" of item ${item} has ${values.length} values, expected ${sizeOf(target.shape)} of shape [${target.shape.join(', ')}]`,
    );
  return values;
}

/** The targets of some items, by the names of the inputs. @throws DynaError 'data' where one has another size */
export function targetFeeds({ targets = {} }: Task, items: Int32Array): Record<string, NDArray> {
  return Object.fromEntries(
    Object.entries(targets).map(([name, target]) => {
      const size = sizeOf(target.shape);
      const data = new Float32Array(items.length * size);
      for (const [i, item] of items.entries()) data.set(valuesOf(name, target, item), i * size);
      return [feedName(name), ndarray('float32', [items.length, ...target.shape], data)];
    }),
  );
}

const LOOKED_AT = 64;

/** What tells tasks apart before a step is run: the targets of some items, evenly spread. */
export function taskDigest({ name, targets = {} }: Task, items: number): string {
  const hash = createHash('sha256').update(name);
  const every = Math.max(1, Math.floor(items / LOOKED_AT));
  for (const [target, t] of Object.entries(targets)) {
    hash.update(target);
    for (let i = 0; i < items; i += every)
      hash.update(new Uint8Array(Float32Array.from(valuesOf(target, t, i)).buffer));
  }
  return hash.digest('hex');
}
