import { DynaError } from '../errors.ts';
import { type NDArray, ndarray, type ParamAttrs, reshape, sizeOf, split, type Tensor } from '../graph/index.ts';

/** Where each parameter lies in one flat vector. One large tensor crosses the engine's border faster than many small. */
export interface Layout {
  readonly params: readonly ParamAttrs[];
  readonly size: number;
}

export const layoutOf = (params: readonly ParamAttrs[]): Layout => ({
  params,
  size: params.reduce((sum, p) => sum + sizeOf(p.shape), 0),
});

/** The parameters as views of the flat tensor, by name. */
export function unpack(flat: Tensor, { params }: Layout): Map<string, Tensor> {
  if (params.length === 0) return new Map();
  const pieces = split(
    flat,
    params.map((p) => sizeOf(p.shape)),
    0,
  );
  return new Map(params.map((p, i) => [p.name, p.shape.length === 1 ? pieces[i]! : reshape(pieces[i]!, p.shape)]));
}

/** Copies named values into one flat array. */
export function flatten(values: ReadonlyMap<string, NDArray>, { params, size }: Layout): NDArray {
  const flat = new Float32Array(size);
  let at = 0;
  for (const p of params) {
    const value = values.get(p.name);
    if (!value || value.data.length !== sizeOf(p.shape))
      throw new DynaError(
        'training',
        `parameter "${p.name}" should have ${sizeOf(p.shape)} values, got ${value ? value.data.length : 'none'}`,
      );
    flat.set(value.data as Float32Array, at);
    at += value.data.length;
  }
  return ndarray('float32', [size], flat);
}

/** The reverse of `flatten`: copies, so that the flat array may change afterwards. */
export function unflatten(flat: NDArray, { params, size }: Layout): Map<string, NDArray> {
  if (flat.data.length !== size)
    throw new DynaError('training', `a state of ${size} values is expected, got ${flat.data.length}`);
  let at = 0;
  return new Map(
    params.map((p) => {
      const data = (flat.data as Float32Array).slice(at, at + sizeOf(p.shape));
      at += data.length;
      return [p.name, ndarray('float32', p.shape, data)];
    }),
  );
}
