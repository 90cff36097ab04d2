import { thresholdName } from '../dynamic/lower/choice.ts';
import { pick } from '../dynamic/lower/masked.ts';
import { DynaError } from '../errors.ts';
import {
  applyAll,
  decodeModel,
  fromOnnx,
  type Node,
  order,
  reshape,
  rewrite,
  type Shape,
  type Tensor,
  where,
} from '../graph/index.ts';
import type { Explainable } from './explainable.ts';

/** What every threshold input's name ends with. */
const SUFFIX = thresholdName({ name: '', kind: 'select', family: '', options: [], rule: 'threshold' });

/** How the one answer of a file is called: what an input gets at the thresholds that are fed. */
export const FILE_ANSWER = 'answer';

/**
 * The scores of all decisions and the answer of an ONNX file, this library's or anybody's, without control flow: what the
 * file computes on the rows that take a region is computed on all rows, and chosen afterwards.
 *
 * @throws DynaError 'model' for files that cannot be read, with several inputs, or with control flow of another make
 */
export function readExplainable(bytes: Uint8Array): Explainable {
  const { inputs, outputs, weights } = fromOnnx(decodeModel(bytes));
  const thresholds = inputs.filter((t) => nameOf(t).endsWith(SUFFIX));
  const images = inputs.filter((t) => !thresholds.includes(t));
  const [input] = images;
  if (images.length !== 1 || input!.dtype !== 'float32')
    throw new DynaError(
      'model',
      `a saliency is taken with respect to one float32 input, the file has ${images.map(String).join(', ') || 'none'}`,
    );
  const [, logits] = Object.entries(outputs).find(([name]) => name !== 'trace') ?? [];
  if (logits?.rank !== 2 || logits.dtype !== 'float32')
    throw new DynaError('model', `an output float32 [N, classes] is expected, the file has ${logits ?? 'none'}`);
  const scores = thresholds.map((t) => scoreAgainst(t, Object.values(outputs)));
  const [answer, ...all] = dense(input!, [logits, ...scores]) as [Tensor, ...Tensor[]];
  return {
    input: input!,
    decisions: thresholds.map((threshold, i) => ({
      name: nameOf(threshold).slice(0, -SUFFIX.length),
      score: all[i]!,
      threshold,
    })),
    answers: [{ name: FILE_ANSWER, logits: answer }],
    weights,
  };
}

const nameOf = (t: Tensor): string => t.node.attrs.name as string;

/** What a threshold is compared with: the score, in the two forms that a choice is written in. */
function scoreAgainst(threshold: Tensor, outputs: readonly Tensor[]): Tensor {
  const use = order(outputs).find(
    ({ op, inputs }) => inputs[1] === threshold && (op.name === 'LessOrEqual' || op.name === 'Sub'),
  );
  if (!use) throw new DynaError('model', `no score is compared with the input "${nameOf(threshold)}"`);
  return use.inputs[0]!;
}

/** The condition behind the row numbers that a file scatters to. */
function maskOf(index: Tensor, scatter: Node): Tensor {
  const rows = index.node.op.name === 'Transpose' ? index.node.inputs[0]!.node : undefined;
  if (rows?.op.name !== 'NonZero' || rows.inputs[0]!.rank !== 1)
    throw new DynaError(
      'model',
      `ScatterND${scatter.scope ? ` in "${scatter.scope}"` : ''} is not one that puts back the rows of a region`,
      { fix: 'explain the model that the file was made from' },
    );
  return rows.inputs[0]!;
}

/** Undoes the sparse lowering: both branches computed, regions on all rows. Files without branches stay as they are. */
function dense(input: Tensor, outputs: readonly Tensor[]): Tensor[] {
  const nodes = order(outputs);
  const compressed = nodes.filter(({ op }) => op.name === 'Compress');
  if (compressed.length === 0 && !nodes.some(({ op }) => op.name === 'If')) return [...outputs];
  const rows = new Set<unknown>(compressed.map(({ attrs }) => attrs.rows));
  const batch = input.shape[0]!;
  const whole = (shape: Shape): Shape => shape.map((d) => (rows.has(d) ? batch : d));
  return rewrite(outputs, (node, x) => {
    const { op, attrs } = node;
    if (op.name === 'If') {
      const condition = reshape(x[0]!, []);
      const results = attrs.results as number;
      return Array.from({ length: results }, (_, i) => where(condition, x[1 + i]!, x[1 + results + i]!));
    }
    if (op.name === 'Compress') return [x[0]!];
    if (op.name === 'ScatterND') return [pick(maskOf(x[1]!, node), x[2]!, x[0]!)];
    // A shape that was written down for the rows of a region.
    if (Array.isArray(attrs.to)) return applyAll(op, x, { ...attrs, to: whole(attrs.to as Shape) });
    return undefined;
  });
}
