import type { Thresholds } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import {
  argMax,
  cast,
  encodeModel,
  equal,
  expand,
  formatShape,
  gradients,
  input,
  ints,
  less,
  logSoftmax,
  mul,
  ndarray,
  reduceMax,
  reduceSum,
  simplify,
  sub,
  type Tensor,
  toOnnx,
  unsqueeze,
  where,
} from '../graph/index.ts';
import { type Explainable, type Explained, explainable } from './explainable.ts';
import { readExplainable } from './from-file.ts';
import { plain } from './plain.ts';

/** Metadata entry of a gradient graph: JSON of `{ targets, flat, defaults }`. */
export const SALIENCY_KEY = 'dynaneural.saliency';

/** The graph input that says which class's logit an answer is explained by. */
export const CLASS_INPUT = 'class';

/** One thing that a gradient graph explains. */
export interface Target {
  /** "decision/exit1", "answer/final": also the name of the output that holds the gradient, of the input's shape. */
  readonly saliency: string;
  readonly kind: 'decision' | 'answer';
  /** Of the decision, or of the answer. */
  readonly name: string;
  /** Name of the output [N] that holds what was differentiated. */
  readonly value: string;
}

export interface GradientOptions {
  /** What to explain: "decision/exit1", "answer/final". By default everything that has a gradient. */
  readonly targets?: readonly string[];
  /** Defaults of the thresholds, for a model; a file has its own. By default the certified point's, or "never". */
  readonly thresholds?: Thresholds;
}

/** A gradient graph as a file, and what is in it. */
export interface GradientGraph {
  /** ONNX, IR 8, opset 17, plain operators, no control flow. */
  readonly bytes: Uint8Array;
  readonly targets: readonly Target[];
  /** Targets whose score moves in steps only (it counts or compares), so that its gradient is 0 everywhere: use `rise`. */
  readonly flat: readonly string[];
  /** Inputs that carry a default; `stripDefaults(bytes, defaults)` turns them into inputs that every run feeds. */
  readonly defaults: readonly string[];
}

/**
 * The gradient of decisions' scores and of answers' class logits with respect to the input, as one ordinary ONNX graph:
 * vanilla saliency (Simonyan et al. 2014, arXiv:1312.6034) for decisions.
 *
 * Inputs: the net's own, [N, ...shape]; `class`, an int64 scalar, -1 (its default) for the class that each input's answer
 * names; thresholds of the decisions that the targets lie behind, where there are any. Outputs: for each target its
 * gradient [N, ...shape] under the target's name, and the value [N] that was differentiated under `name/value`. Values are
 * - of a decision with a threshold: its score (for an exit the log of its confidence; for a gate what speaks for skipping, its logit negated);
 * - of a decision with K options: log softmax(score - threshold) of the option that wins;
 * - of an answer: the logit of the class.
 *
 * Behind a decision the gradient follows the option that each input takes; that an input close to a threshold might take
 * another one is no part of it. Every weight that a target needs is stored once. ONNX Runtime computes all outputs of a
 * file, so a page that shows early decisions only should ask for a file of these.
 *
 * @param source a model, or the content of an ONNX file (a saved model of either form, or any classifier with one input);
 *   of a file the answer is "answer/answer": what the input gets at its thresholds
 * @throws DynaError 'usage' for unknown targets, 'gradient' where one was asked for that has none, 'graph' where it
 *   needs operators of other domains, 'model' for files that cannot be read so
 * @example
 * const { bytes } = decisionGradient(trained, { targets: ['decision/exit1'] })
 * const session = await ort.InferenceSession.create(bytes)
 * const { 'decision/exit1': saliency } = await session.run({ input })
 */
export function decisionGradient(source: Explained | Uint8Array, options: GradientOptions = {}): GradientGraph {
  if (source instanceof Uint8Array && options.thresholds)
    throw new DynaError('usage', 'thresholds were given for a file, which has its own', {
      fix: 'feed them when the gradient graph runs',
    });
  const from = source instanceof Uint8Array ? readExplainable(source) : explainable(source, options.thresholds);
  const known = valuesOf(from);
  const asked = options.targets ?? [...known.keys()];
  const unknown = asked.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new DynaError('usage', `there is no "${unknown}" to explain; there are ${[...known.keys()].join(', ')}`);

  const flat: string[] = [];
  const found: { target: Target; saliency: Tensor; value: Tensor }[] = [];
  for (const saliency of asked) {
    const { value, ...target } = known.get(saliency)!;
    const [gradient] = gradients(value, [from.input]) as [Tensor];
    if (isZero(gradient)) flat.push(saliency);
    else found.push({ target: { ...target, saliency, value: `${saliency}/value` }, saliency: gradient, value });
  }
  if (found.length === 0 || (options.targets && flat.length > 0))
    throw new DynaError('gradient', `${flat.join(', ') || 'nothing'}: the score moves in steps, its gradient is 0`, {
      fix: 'use rise(), which needs no gradient',
    });
  const targets = found.map(({ target }) => target);
  return { targets, flat, ...write(from, found, flat) };
}

/** All that can be explained: for each target's name the value [N] to differentiate. */
function valuesOf({ decisions, answers }: Explainable) {
  const entries = [
    ...decisions.map(
      ({ name, score, threshold }) =>
        [`decision/${name}`, { kind: 'decision', name, value: decided(score, threshold) }] as const,
    ),
    ...classValues(answers),
  ];
  return new Map<string, { kind: Target['kind']; name: string; value: Tensor }>(entries);
}

const decided = (score: Tensor, threshold: Tensor): Tensor =>
  score.rank === 1 ? score : reduceMax(logSoftmax(sub(score, threshold)), [1]);

function classValues(answers: Explainable['answers']) {
  const wanted = input(CLASS_INPUT, [], 'int64', ndarray('int64', [], [-1]));
  return answers.map(({ name, logits }) => {
    const classes = logits.rank === 2 ? logits.shape[1] : undefined;
    if (typeof classes !== 'number')
      throw new DynaError('shape', `answer "${name}" should be [N, classes], got ${formatShape(logits.shape)}`);
    const which = where(less(wanted, 0), argMax(logits, 1), wanted);
    const numbers = ints(Array.from({ length: classes }, (_, k) => k));
    const chosen = cast(equal(unsqueeze(which, [1]), numbers), 'float32');
    return [`answer/${name}`, { kind: 'answer', name, value: reduceSum(mul(logits, chosen), [1]) }] as const;
  });
}

/** What the reverse walk gives where nothing flows back. */
const isZero = ({ node: { op, attrs } }: Tensor): boolean =>
  op.name === 'ConstantOfShape' && Number(attrs.value.data[0]) === 0;

function write(
  { weights }: Explainable,
  found: readonly { target: Target; saliency: Tensor; value: Tensor }[],
  flat: readonly string[],
): Pick<GradientGraph, 'bytes' | 'defaults'> {
  const results = simplify(plain(expand(found.flatMap(({ saliency, value }) => [saliency, value]))));
  const outputs: Record<string, Tensor> = {};
  for (const [i, { target }] of found.entries()) {
    outputs[target.saliency] = results[2 * i]!;
    outputs[target.value] = results[2 * i + 1]!;
  }
  const graph = toOnnx(outputs, { weights, name: 'saliency' });
  const foreign = Object.keys(graph.opsets).filter((domain) => domain !== '');
  if (foreign.length > 0)
    throw new DynaError('graph', `the gradient needs operators of ${foreign.join(', ')}, which other runtimes lack`);
  const stored = new Set(graph.graph.initializers.map((t) => t.name));
  const defaults = graph.graph.inputs.map((v) => v.name).filter((name) => stored.has(name));
  const about = JSON.stringify({ targets: found.map(({ target }) => target), flat, defaults });
  return { bytes: encodeModel({ ...graph, metadata: { [SALIENCY_KEY]: about } }), defaults };
}
