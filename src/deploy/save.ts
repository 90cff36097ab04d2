import type { CertifiedModel, Model, Net } from '../dynamic/index.ts';
import { costTable, ownViews, parametersOf, sparse } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { writeAtomic } from '../files.ts';
import {
  type Dim,
  decodeModel,
  encodeModel,
  formatShape,
  input,
  type Node,
  type OnnxModel,
  rewrite,
  sameShape,
  substitute,
  type Tensor,
  Transpose,
  toOnnx,
  transpose,
} from '../graph/index.ts';
import { CARD_KEY, defaultNames, encodeCard, type ModelCard, type TensorNames } from './card.ts';
import { contentHash } from './content-hash.ts';
import { floored } from './float32.ts';
import type { Layout } from './layout.ts';
import { cardOf } from './make-card.ts';
import { giving, type OutputMeaning } from './meaning.ts';

export interface SaveOptions {
  /**
   * `rows` (default): one input and batches alike; each region runs on the rows that take it. `branch`: plain branches
   * for a fixed batch of one, for targets that lack Compress or ScatterND.
   */
  readonly form?: 'rows' | 'branch';
  /**
   * How weights that several branches share are stored, narrower widths among them: as `copies` (default) of their own, or once,
   * with `slices` taken from the widest, for a smaller file. ONNX Runtime takes slices of widths when it opens the file.
   */
  readonly views?: 'copies' | 'slices';
  /** Names of the file's input and output; "input" and "logits" by default. */
  readonly names?: TensorNames;
  /** What the output holds; `logits` by default. */
  readonly output?: OutputMeaning;
  /** Where the file's input has the channels of images: first (default), or last for callers that feed [N, H, W, C]. */
  readonly layout?: Layout;
  /** Further entries of the file's metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * A model as one ordinary ONNX file (IR 8, opset 17, plain operators): input "input" [N, ...shape], outputs "logits" and,
 * where there are decisions, "trace" [N, columns]. Thresholds are inputs with defaults (the chosen point's; without
 * a certificate "never"), so any runtime needs nothing but "input". Weights that branches share are stored as `views` says, all others once.
 *
 * @throws DynaError 'certificate' where the model is not the one that was certified, 'shape' where weights,
 *   preprocessing or layout do not fit the net, 'graph' where the net cannot be lowered or needs operators of other domains
 * @example const session = await InferenceSession.create(toBytes(certified)) // stock onnxruntime-node
 */
export function toBytes(model: Model | CertifiedModel, options: SaveOptions = {}): Uint8Array {
  const { form = 'rows', views = 'copies', names, output, layout = 'NCHW', metadata: extra = {} } = options;
  if (form !== 'rows' && form !== 'branch')
    throw new DynaError('usage', `a file's form is "rows" or "branch", got ${JSON.stringify(form)}`);
  if (views !== 'copies' && views !== 'slices')
    throw new DynaError('usage', `views are stored as "copies" or "slices", got ${JSON.stringify(views)}`);
  if (layout !== 'NCHW' && layout !== 'NHWC')
    throw new DynaError('usage', `a file's layout is "NCHW" or "NHWC", got ${JSON.stringify(layout)}`);
  checkFits(model, layout);
  const io = {
    ...(names ? { names } : {}),
    ...(output && output !== 'logits' ? { output } : {}),
    ...(layout === 'NCHW' ? {} : { layout }),
  };
  const stored = views === 'copies' ? ownViews(model) : model;
  const card = cardOf(model, form, { ...io, regions: costTable(stored.net, form) });
  const graph = plainOnnx(stored, card);
  const metadata = (c: ModelCard) => ({
    classes: JSON.stringify(c.classes),
    ...extra,
    [CARD_KEY]: encodeCard(c),
  });
  const bytes = encodeModel({ ...graph, metadata: metadata(card) });
  if (!card.certificate) return bytes;
  const hash = contentHash(decodeModel(bytes), card);
  return encodeModel({ ...graph, metadata: metadata({ ...card, hash }) });
}

/**
 * Saves a model as one ordinary ONNX file; a file that was there before stays whole until the new one is complete.
 *
 * @throws DynaError 'file' where it cannot be written, and what `toBytes` throws
 * @example await save(certified, 'fashion.onnx')
 */
export async function save(model: Model | CertifiedModel, path: string, options: SaveOptions = {}): Promise<void> {
  await writeAtomic(path, toBytes(model, options));
}

/** The same net with its input as the file has it: under that name, and with channels there. */
function fed(net: Net, name: string, layout: Layout = 'NCHW'): Net {
  if (layout === 'NHWC') return channelsLast(net, name);
  if (net.input.node.attrs.name === name) return net;
  const x = input(name, net.input.shape);
  return { ...net, input: x, output: substitute([net.output], new Map([[net.input, x]]))[0]! };
}

const isTranspose = ({ op, attrs }: Node, perm: string): boolean =>
  (op as unknown) === Transpose && String(attrs.perm) === perm;

/** What turned the channels to the end again reads the input itself. */
function channelsLast(net: Net, name: string): Net {
  const [n, c, h, w] = net.input.shape as [Dim, Dim, Dim, Dim];
  const x = input(name, [n, h, w, c]);
  const first = transpose(x, [0, 3, 1, 2]);
  const [output] = rewrite([net.output], (node, [t]) => {
    if (node === net.input.node) return [first];
    return t === first && isTranspose(node, '0,2,3,1') ? [x] : undefined;
  });
  return { ...net, input: x, output: output! };
}

function plainOnnx({ net, weights }: Model, card: ModelCard): OnnxModel {
  const { form, points, chosen, names = defaultNames, output: meaning, layout } = card;
  const defaults = Object.entries(points[chosen]!.thresholds).map(([name, t]) => [name, floored(t)] as const);
  const { output, trace } = sparse(fed(net, names.input, layout), Object.fromEntries(defaults), { form });
  const outputs: Record<string, Tensor> = { [names.output]: giving(output, meaning) };
  if (trace) outputs.trace = trace;
  const model = toOnnx(outputs, { weights, name: net.name });
  const foreign = Object.keys(model.opsets).filter((domain) => domain !== '');
  if (foreign.length > 0)
    throw new DynaError('graph', `the net uses operators of ${foreign.join(', ')}, which other runtimes do not have`, {
      fix: 'a file that is shipped holds plain ONNX operators only',
    });
  return model;
}

function checkFits({ net, weights, classes, preprocessing }: Model, layout: Layout): void {
  for (const { name, shape } of parametersOf(net)) {
    const value = weights.get(name);
    if (value && !sameShape(value.dims, shape))
      throw new DynaError(
        'shape',
        `parameter "${name}" has shape ${formatShape(shape)}, its value ${formatShape(value.dims)}`,
      );
  }
  if (!sameShape(preprocessing.shape, net.spec.input))
    throw new DynaError(
      'shape',
      `the net takes inputs ${formatShape(net.spec.input)}, its preprocessing makes ${formatShape(preprocessing.shape)}`,
    );
  if (layout === 'NHWC' && preprocessing.shape.length !== 3)
    throw new DynaError(
      'shape',
      `the layout "NHWC" is for images [C, H, W], the net takes ${formatShape(preprocessing.shape)}`,
    );
  const width = net.output.rank === 2 ? net.output.shape[1] : undefined;
  if (width !== undefined && width !== classes.length)
    throw new DynaError('shape', `the net gives ${width} logits, but there are ${classes.length} class names`);
}
