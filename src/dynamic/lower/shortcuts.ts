import { Add, Conv, isConcrete, maxPool, type Node, sameShape, type Tensor } from '../../graph/index.ts';

/** The largest block of channels that the engine's convolutions work in. */
const BLOCK = 16;

const blockable = ({ dtype, shape }: Tensor): boolean =>
  dtype === 'float32' && shape.length === 4 && isConcrete(shape.slice(1)) && (shape[1] as number) % BLOCK === 0;

/** The maps that residual blocks among these nodes begin with: a convolution reads them, and a sum takes them as they are. */
export function shortcutsIn(nodes: readonly Node[]): ReadonlySet<Tensor> {
  const convolved = new Set(nodes.flatMap(({ op, inputs }) => (op === (Conv as unknown) ? [inputs[0]!] : [])));
  const kept = nodes.flatMap(({ op, inputs, outputs }) =>
    op === (Add as unknown) && inputs.every((t) => sameShape(t!.shape, outputs[0]!.shape))
      ? inputs.filter((t) => convolved.has(t!) && blockable(t!))
      : [],
  );
  return new Set(kept as readonly Tensor[]);
}

/**
 * The same map, as the engine makes maps itself. On x86, ONNX Runtime keeps what convolutions give in blocks of channels, but
 * not across the border of a branch: a residual block that begins with a map from outside is summed in plain layout, apart
 * from its convolution, and so are all that follow it up to the next projection. A pooling over single pixels changes no
 * value and begins the blocks anew. (Without such blocks, on wasm say, it is one more pass over the map.)
 */
export const reblocked = (x: Tensor): Tensor => maxPool(x, 1);
