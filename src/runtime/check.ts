import { DynaError } from '../errors.ts';
import { allocate, type DType, type NDArray, sizeOf } from '../graph/array.ts';
import type { Arrays, TensorSpec } from './backend.ts';

const shown = (shape: readonly (number | string)[]) => `[${shape.join(', ')}]`;
const listed = (names: readonly string[]) => names.map((n) => `"${n}"`).join(', ') || 'none';

/** Throws unless `a` is an array whose memory agrees with its own dtype and dims. */
function checkArray(name: string, a: NDArray): void {
  const kind = arrayKind(a.dtype);
  if (!kind) throw new DynaError('dtype', `input "${name}" has the unknown element type "${a.dtype}"`);
  if (!(a.data instanceof kind))
    throw new DynaError(
      'dtype',
      `input "${name}" says ${a.dtype}, so its data should be a ${kind.name}, got ${(a.data as object)?.constructor?.name}`,
    );
  if (sizeOf(a.dims) !== a.data.length)
    throw new DynaError(
      'shape',
      `input "${name}" of shape ${shown(a.dims)} should hold ${sizeOf(a.dims)} values, got ${a.data.length}`,
      a.data.length === 0 ? { fix: 'an array that was transferred to another thread is empty afterwards' } : {},
    );
}

type Kind = { new (n: number): object; readonly name: string };
const kinds = new Map<string, Kind | undefined>();

/** The typed array class that holds elements of `dtype`; undefined if there is no such dtype. */
function arrayKind(dtype: string): Kind | undefined {
  if (!kinds.has(dtype)) {
    try {
      kinds.set(dtype, allocate(dtype as DType, 0).constructor as Kind);
    } catch {
      return undefined;
    }
  }
  return kinds.get(dtype);
}

/**
 * Refuses feeds that do not fit a model, before the engine sees them: each error names the input, what was expected and
 * what came. Dimensions of one name must agree across inputs (ONNX says so); a nameless one accepts anything.
 *
 * @throws DynaError 'usage' (missing or unknown input), 'dtype', 'shape'
 */
export function checkFeeds(specs: readonly TensorSpec[], feeds: Arrays): void {
  let symbols: Map<string, { size: number; input: string }> | undefined;
  for (const { name, dtype, shape } of specs) {
    const a = feeds[name];
    if (a === undefined)
      throw new DynaError('usage', `input "${name}" is missing, expected ${dtype} ${shown(shape)}`, {
        fix: `got ${listed(Object.keys(feeds))}`,
      });
    if (a.dtype !== dtype)
      throw new DynaError('dtype', `input "${name}" expects ${dtype} ${shown(shape)}, got ${a.dtype} ${shown(a.dims)}`);
    checkArray(name, a);
    if (a.dims.length !== shape.length || shape.some((d, i) => typeof d === 'number' && d !== a.dims[i]))
      throw new DynaError('shape', `input "${name}" expects shape ${shown(shape)}, got ${shown(a.dims)}`);
    for (let i = 0; i < shape.length; i++) {
      const symbol = shape[i]!;
      if (typeof symbol === 'number' || symbol === '') continue;
      symbols ??= new Map();
      const known = symbols.get(symbol);
      if (!known) symbols.set(symbol, { size: a.dims[i]!, input: name });
      else if (known.size !== a.dims[i])
        throw new DynaError(
          'shape',
          `input "${name}" expects shape ${shown(shape)} with ${symbol} = ${known.size} as in input "${known.input}", got ${shown(a.dims)}`,
        );
    }
  }
  if (Object.keys(feeds).length > specs.length) {
    const unknown = Object.keys(feeds).filter((name) => !specs.some((s) => s.name === name));
    throw new DynaError('usage', `the model has no input ${listed(unknown)}`, {
      fix: `its inputs are ${listed(specs.map((s) => s.name))}`,
    });
  }
}

/** Refuses names that are no outputs of the model, and an empty list. */
export function checkOutputs(specs: readonly TensorSpec[], wanted: readonly string[] | undefined): void {
  if (!wanted) return;
  const unknown = wanted.filter((name) => !specs.some((s) => s.name === name));
  if (unknown.length > 0 || wanted.length === 0)
    throw new DynaError(
      'usage',
      wanted.length === 0 ? 'no output was asked for' : `the model has no output ${listed(unknown)}`,
      {
        fix: `its outputs are ${listed(specs.map((s) => s.name))}`,
      },
    );
}
