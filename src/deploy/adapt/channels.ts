import {
  input as graphInput,
  order,
  Reshape,
  rewrite,
  ShapeOf,
  substitute,
  type Tensor,
  Transpose,
  transpose,
} from '../../graph/index.ts';
import type { Layout } from '../layout.ts';

const isOp = (t: Tensor, op: unknown): boolean => (t.node.op as unknown) === op;
const toFirst = '0,3,1,2';

/** True for what brings channels from the end to the front: a Transpose, or for one channel also a Reshape. */
function turns(t: Tensor): boolean {
  if (isOp(t, Transpose)) return String(t.node.attrs.perm) === toFirst;
  const from = t.node.inputs[0]!.shape;
  const [n, h, w, c] = from;
  return isOp(t, Reshape) && from.length === 4 && c === 1 && String(t.shape) === String([n, 1, h, w]);
}

/**
 * Where the channels are: last, where everything that reads the images turns them to the front first (so do files that
 * were converted from Keras and TensorFlow), at most after work on each element; else first.
 */
export function layoutOf(input: Tensor, output: Tensor): Layout {
  const reached = new Set<Tensor>([input]);
  let turned = 0;
  for (const node of order([output])) {
    if (!node.inputs.some((t) => t && reached.has(t)) || (node.op as unknown) === ShapeOf) continue;
    if (node.outputs.some(turns)) turned++;
    else if (node.op.pointwise && node.outputs[0]!.rank === 4) for (const t of node.outputs) reached.add(t);
    else return 'NCHW';
  }
  return turned > 0 ? 'NHWC' : 'NCHW';
}

/** A graph on images [N, H, W, C] as one on [N, C, H, W]; what only turned them falls away. */
export function channelsFirst(input: Tensor, output: Tensor): { readonly input: Tensor; readonly output: Tensor } {
  const [n, h, w, c] = input.shape;
  const x = graphInput(input.node.attrs.name, [n!, c!, h!, w!]);
  const [moved] = substitute([output], new Map([[input, transpose(x, [0, 2, 3, 1])]]));
  const [plain] = rewrite([moved!], (node, inputs) => {
    const [t] = inputs;
    const back = t && isOp(t, Transpose) && String(t.node.attrs.perm) === '0,2,3,1';
    return back && turns(node.outputs[0]!) ? [t.node.inputs[0]!] : undefined;
  });
  return { input: x, output: plain! };
}
