import { DynaError } from '../errors.ts';
import { formatShape, interceptParams, sameShape, scoped, type Tensor } from '../graph/index.ts';

/** How a weight of a first call serves a later one that asks for `shape`. */
type View = (weight: Tensor, shape: readonly number[], name: string) => Tensor;

const whole: View = (weight, shape, name) => {
  if (sameShape(weight.shape, shape)) return weight;
  throw new DynaError(
    'shape',
    `weight "${name}" should be ${formatShape(shape)}, but the first call made it ${formatShape(weight.shape)}`,
    { fix: 'trace the same layers on inputs of as many channels, or give a view' },
  );
};

/**
 * Lets layers be traced several times with one set of weights. What the first call makes stands, by its name inside the call,
 * for the same layer of later ones; biases, normalisations and their statistics are each call's own, as slimmable networks have
 * them (Yu et al. 2018, arXiv:1812.08928): inputs that come by other ways have other statistics.
 *
 * @param view what a later call gets of a weight; by default the weight itself, of the same shape
 * @returns runs layers so; each call stands in a scope (or an option of a decision) of its own
 * @throws DynaError 'usage' for a second call in one scope, 'shape' where a later call wants another shape
 * @example
 * const once = sharedWeights()
 * const [left, right] = [a, b].map((x, i) => scope(`side${i}`, () => once(() => conv(x, 64, { norm: 'batch' }))))
 */
export function sharedWeights(view: View = whole): <T>(layers: () => T) => T {
  const weights = new Map<string, Tensor>();
  const roots = new Set<string>();
  return (layers) => {
    const root = scoped();
    if (roots.has(root))
      throw new DynaError('usage', `layers that share weights are traced twice in the scope "${root}"`, {
        fix: 'put each call into a scope of its own: scope(name, () => once(layers))',
      });
    roots.add(root);
    return interceptParams(({ name, shape, role }, make) => {
      if (role !== 'weight') return make();
      const own = root === '' ? name : name.slice(root.length + 1);
      const first = weights.get(own);
      if (first) return view(first, shape, name);
      const made = make();
      weights.set(own, made);
      return made;
    }, layers);
  };
}
