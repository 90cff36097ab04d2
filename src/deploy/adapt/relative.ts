import { type Net, parametersOf } from '../../dynamic/index.ts';
import { add, constant, mul, type NDArray, ndarray, sizeOf, sub } from '../../graph/index.ts';
import type { Optimizer } from '../../nn/index.ts';

/** Of a parameter that starts at zero, and so has no size of its own. */
const SMALLEST = 1e-3;

const rootMeanSquare = ({ data }: NDArray): number => {
  const values = data as Float32Array;
  return Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / Math.max(1, values.length));
};

/**
 * Steps in units of each parameter's own size: what is a small step for one may ruin another, and nobody knows how
 * somebody else's weights were scaled (pixels 0 to 255 have first weights that are a hundred times smaller).
 *
 * @param sized values of the parameters that are meant; others step as the optimiser says
 */
export function relativeSteps(optimizer: Optimizer, net: Net, sized: ReadonlyMap<string, NDArray>): Optimizer {
  // As training lays them out: all trained parameters, one after another.
  const trained = parametersOf(net).filter((p) => p.role !== 'statistic');
  const factors = new Float32Array(trained.reduce((sum, p) => sum + sizeOf(p.shape), 0));
  let at = 0;
  for (const { name, shape } of trained) {
    const value = sized.get(name);
    factors.fill(value ? Math.max(SMALLEST, rootMeanSquare(value)) : 1, at, at + sizeOf(shape));
    at += sizeOf(shape);
  }
  return {
    ...optimizer,
    name: `${optimizer.name}, relative steps`,
    update(o) {
      const { param, slots } = optimizer.update(o);
      const factor = constant(ndarray('float32', [factors.length], factors));
      return { param: add(o.param, mul(sub(param, o.param), factor)), slots };
    },
  };
}
