import { interceptParams, scoped, type Tensor } from '../graph/index.ts';

/** How a weight of a first call serves a later one that asks for `shape`. */
type View = (weight: Tensor, shape: readonly number[], name: string) => Tensor;

/**
 * Lets layers be traced several times with one set of weights. What the first call makes stands, by its name inside the call,
 * for the same layer of later ones; biases, normalisations and their statistics are each call's own, as slimmable networks have
 * them (Yu et al. 2018, arXiv:1812.08928): inputs that come by other ways have other statistics.
 *
 * @param view what a later call gets of a weight; the weight itself by default
 * @returns runs layers so
 * @example
 * const once = sharedWeights()
 * const [left, right] = [a, b].map((x, i) => scope(`side${i}`, () => once(() => conv(x, 64, { norm: 'batch' }))))
 */
export function sharedWeights(view: View = (weight) => weight): <T>(layers: () => T) => T {
  const weights = new Map<string, Tensor>();
  return (layers) => {
    const root = scoped();
    return interceptParams(({ name, shape, role }, make) => {
      if (role !== 'weight') return make();
      const own = name.slice(root.length);
      const first = weights.get(own);
      if (first) return view(first, shape, name);
      const made = make();
      weights.set(own, made);
      return made;
    }, layers);
  };
}
