import { DynaError } from '../../errors.ts';
import {
  BATCH,
  decodeModel,
  formatShape,
  fromOnnx,
  Identity,
  type Imported,
  isConcrete,
  LogSoftmax,
  type NDArray,
  type OnnxModel,
  Sigmoid,
  Softmax,
  type Tensor,
} from '../../graph/index.ts';
import { CARD_KEY, type TensorNames } from '../card.ts';
import type { Layout } from '../layout.ts';
import type { OutputMeaning } from '../meaning.ts';
import { openBatch } from './batch.ts';
import { channelsFirst, layoutOf } from './channels.ts';
import { imagesInFront } from './rows.ts';

/** Somebody else's classifier as our graph: one image batch in, logits out. */
export interface Foreign {
  /** float32 [N, C, H, W]. */
  readonly input: Tensor;
  /** [N, classes]; a softmax at the file's end is left out here, and said in `output`. */
  readonly logits: Tensor;
  readonly weights: ReadonlyMap<string, NDArray>;
  readonly classes: readonly string[];
  /** What the file calls its input and output, and what the output holds. */
  readonly names: TensorNames;
  readonly output: OutputMeaning;
  /** The file takes one image at a time. */
  readonly single: boolean;
  /** Where the file keeps the channels of its images; `input` has them first. */
  readonly layout: Layout;
  readonly metadata: Readonly<Record<string, string>>;
  /** What was read in another way than it stands in the file. */
  readonly notes: readonly string[];
}

export interface ForeignOptions {
  /** Names of the classes in the output's order; by default those of the file's metadata, else numbers. */
  readonly classes?: readonly string[];
}

const supported = 'adapt takes image classifiers: one float32 input [N, C, H, W], one float32 output [N, classes]';
const refused = (what: string, fix = supported): DynaError => new DynaError('model', what, { fix });

const isOp = (t: Tensor, op: unknown): boolean => (t.node.op as unknown) === op;

/**
 * Reads an ONNX classifier of any origin. Its batch axis, whatever its name and also where it is fixed to 1, becomes N.
 *
 * @throws DynaError 'model' with one sentence for what is no such classifier, and as `decodeModel` and `fromOnnx`
 * @example const { input, logits, names } = readForeign(await readFile('resnet50.onnx'))
 */
export function readForeign(bytes: Uint8Array, options: ForeignOptions = {}): Foreign {
  const model = decodeModel(bytes);
  if (Object.hasOwn(model.metadata, CARD_KEY))
    throw refused('this file is a dynamic model of this library already', 'adapt the original');
  const size = batchSize(model);
  const imported = fromOnnx(named(model, size), { float32: true });
  const input = imported.inputs.find((t) => t.node.attrs.fallback === undefined)!;
  const [name, result] = Object.entries(imported.outputs)[0]!;
  const layout = layoutOf(input, result);
  const first = layout === 'NHWC' ? channelsFirst(input, result) : { input, output: result };
  const whole = size === 1 ? openBatch(first.input, first.output) : first;
  const notes = [...imported.notes];
  if (layout === 'NHWC')
    notes.push(`the file takes images as [N, H, W, C] ${formatShape(input.shape)}, and so does what is made of it`);
  checkOutput(name, whole.output);
  checkFinite(imported);
  const { logits, output } = ending(whole.output);
  const count = logits.shape[1] as number;
  return imagesInFront({
    input: whole.input,
    logits,
    weights: imported.weights,
    classes: options.classes ? checkClasses(options.classes, count) : classesIn(model.metadata, count),
    names: { input: input.node.attrs.name, output: name },
    output,
    single: size === 1,
    layout,
    metadata: model.metadata,
    notes,
  });
}

/** The size of the batch axis: 1, or undefined where it is open. Refuses what cannot be an image classifier. */
function batchSize({ graph }: OnnxModel): 1 | undefined {
  const stored = new Set(graph.initializers.map((t) => t.name));
  const inputs = graph.inputs.filter((v) => !stored.has(v.name));
  const list = (values: readonly { name: string }[]) => values.map((v) => `"${v.name}"`).join(', ');
  if (inputs.length !== 1) throw refused(`the model has ${inputs.length} inputs (${list(inputs)})`);
  if (graph.outputs.length !== 1)
    throw refused(`the model has ${graph.outputs.length} outputs (${list(graph.outputs)})`);
  const { name, dtype, shape } = inputs[0]!;
  const shown = `${dtype}${shape ? formatShape(shape.map((d) => d ?? '?')) : ' of unknown shape'}`;
  const float = dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16';
  if (!float || shape?.length !== 4) throw refused(`the input "${name}" is ${shown}`);
  const [batch, ...item] = shape;
  if (!item.every((d) => typeof d === 'number' && d > 0))
    throw refused(
      `the input "${name}" is ${shown}: its image size is open`,
      'export the model with a fixed image size',
    );
  if (typeof batch === 'number' && batch !== 1)
    throw refused(
      `the model takes exactly ${batch} images at once`,
      'export it with an open batch axis or a batch of 1',
    );
  return batch === 1 ? 1 : undefined;
}

/** The file with its open batch axis named as in our own nets. */
function named(model: OnnxModel, size: 1 | undefined): OnnxModel {
  if (size === 1) return model;
  const { graph } = model;
  const stored = new Set(graph.initializers.map((t) => t.name));
  const given = graph.inputs.find((v) => !stored.has(v.name))!.shape![0];
  const rename = <V extends { shape: (number | string | null)[] | undefined }>(v: V): V => ({
    ...v,
    shape: v.shape?.map((d) => (typeof given === 'string' && d === given ? BATCH : d === BATCH ? `${BATCH}.other` : d)),
  });
  const inputs = graph.inputs.map((v) => (stored.has(v.name) ? v : { ...v, shape: [BATCH, ...v.shape!.slice(1)] }));
  const open =
    given === BATCH ? graph : { ...graph, values: graph.values.map(rename), outputs: graph.outputs.map(rename) };
  return { ...model, graph: { ...open, inputs } };
}

function checkOutput(name: string, { dtype, shape }: Tensor): void {
  const shown = `the output "${name}" is ${dtype}${formatShape(shape)}`;
  const [batch, classes] = shape;
  if (dtype !== 'float32' || shape.length !== 2 || batch !== BATCH || typeof classes !== 'number') throw refused(shown);
  if (name === 'trace') throw refused('the output is called "trace", a name that adapted files need', 'rename it');
  if (classes < 2) throw refused(`${shown}: two classes are the least`);
}

function checkFinite({ weights }: Imported): void {
  for (const [name, { data, dtype }] of weights)
    if (dtype.startsWith('float') && !(data as Float32Array).every(Number.isFinite))
      throw refused(`the weight "${name}" holds NaN or infinite values`, 'export the model again from good weights');
}

/** What stands before the softmax at the end of a net, if there is one. */
function ending(result: Tensor): Pick<Foreign, 'logits' | 'output'> {
  let t = result;
  while (isOp(t, Identity)) t = t.node.inputs[0]!;
  if (isOp(t, Sigmoid))
    throw refused('the model ends with a sigmoid, so it answers several yes-or-no questions at once');
  const last = t.node.attrs.axis === 1 || t.node.attrs.axis === -1;
  if (isOp(t, Softmax) && last) return { logits: t.node.inputs[0]!, output: 'probabilities' };
  if (isOp(t, LogSoftmax) && last) return { logits: t.node.inputs[0]!, output: 'log-probabilities' };
  return { logits: t, output: 'logits' };
}

function checkClasses(classes: readonly string[], count: number): readonly string[] {
  if (classes.length === count) return classes;
  throw new DynaError('usage', `the model answers with ${count} classes, got ${classes.length} class names`);
}

/** Names that the exporter left in the metadata, where they fit. */
function classesIn(metadata: Readonly<Record<string, string>>, count: number): readonly string[] {
  for (const key of ['classes', 'class_names', 'labels', 'names']) {
    try {
      const value: unknown = JSON.parse(metadata[key] ?? '');
      if (Array.isArray(value) && value.length === count && value.every((v) => typeof v === 'string')) return value;
    } catch {
      // no JSON: another program's form
    }
  }
  return Array.from({ length: count }, (_, i) => String(i));
}

export const itemShape = ({ input }: Pick<Foreign, 'input'>): readonly number[] => {
  const item = input.shape.slice(1);
  if (!isConcrete(item)) throw new DynaError('shape', `an open image size ${formatShape(item)}`);
  return item;
};
