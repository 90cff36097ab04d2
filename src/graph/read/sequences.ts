import { ints } from '../ops/leaf.ts';
import { Split, squeeze } from '../ops/reshape.ts';
import { formatShape, normalizeAxis } from '../shape.ts';
import { applyAll, type Tensor } from '../tensor.ts';
import type { Call, Converters } from './call.ts';
import type { Sequence } from './env.ts';

/** A sequence lives in the graph, a node for each of its tensors. */
const MOST_PARTS = 4096;

/**
 * Pieces of an axis as a list; pieces of one element lose it unless `keepdims`. ONNX ignores that attribute where a size
 * is given, but PyTorch's exporter relies on it, and ONNX Runtime does as PyTorch means.
 */
function splitToSequence(c: Call): Sequence {
  const x = c.input(0);
  const axis = normalizeAxis(c.attributes.int('axis', 0), x.rank, 'SplitToSequence');
  const keep = c.attributes.flag('keepdims', 1) === 1;
  const total = x.shape[axis]!;
  const given = c.numbers(1, 'the sizes');
  if (typeof total !== 'number') c.refuse(`the named axis "${total}" of ${formatShape(x.shape)} cannot be divided`);
  const scalar = given && c.value(1)!.dims.length === 0;
  const each = scalar || !given ? Math.max(given?.[0] ?? 1, 1) : 0;
  if (each > 0 && (total as number) / each > MOST_PARTS) c.refuse(`more than ${MOST_PARTS} pieces are not supported`);
  const equal = (size: number): number[] =>
    Array.from({ length: Math.ceil(size / each) }, (_, i) => Math.min(each, size - i * each));
  const parts = applyAll(Split, [x, ints(each > 0 ? equal(total as number) : given!)], { axis });
  if (keep || (given && !scalar)) return { list: parts };
  if (each !== 1) c.refuse(`"keepdims" 0 with pieces of ${each} is not supported`);
  return { list: parts.map((t) => squeeze(t, [axis])) };
}

function sequenceAt(c: Call): readonly Tensor[] {
  const list = c.sequence(0);
  const at = c.number(1, 'the position') ?? c.refuse('the position is missing');
  return [list.at(at) ?? c.refuse(`position ${at} is outside a sequence of ${list.length}`)];
}

export const sequences: Converters = { SplitToSequence: splitToSequence, SequenceAt: sequenceAt };
