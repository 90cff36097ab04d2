import { type Block, encloses, placement, type Tensor } from '../graph/index.ts';
import { isSelect, optionValues } from './decision.ts';
import type { DecidingNode } from './keep.ts';
import { batched } from './lower/merging.ts';
import { decidersOf, type Net } from './traced.ts';

const bytesOf = (t: Tensor): number =>
  4 * t.shape.slice(1).reduce<number>((n, d) => n * (typeof d === 'number' ? d : 1), 1);

/**
 * How many bytes of one input each select moves across its borders: what its options read from outside (the rows that take
 * them are gathered), and what they return (scattered back). Both also leave and enter the engine's blocked layout there.
 */
export function crossingBytes(net: Pick<Net, 'output'>): ReadonlyMap<DecidingNode, number> {
  const placed = placement([net.output]);
  const read = new Map<Block, Set<Tensor>>();
  for (const node of placed.nodes) {
    for (const [i, t] of node.inputs.entries()) {
      if (!t || !batched(t)) continue;
      const name = node.op.block?.(node, i);
      let block: Block | undefined = name === undefined ? placed.of.get(node) : placed.child(node, name);
      const from = placed.of.get(t.node)!;
      // From where it is made it enters every block on the way.
      for (; block && block !== from && encloses(from, block); block = block.parent)
        read.set(block, (read.get(block) ?? new Set()).add(t));
    }
  }
  return new Map(
    decidersOf(net).flatMap((node): [DecidingNode, number][] => {
      if (!isSelect(node)) return [];
      const inside = node.attrs.decision.options.flatMap((o, k) => {
        const own = optionValues(node.inputs, node.attrs, k);
        const block = placed.child(node, o.name);
        return own.some((t) => placed.of.get(t.node) === block) ? [{ block, own }] : [];
      });
      const entering = inside.map(({ block }) => [...(read.get(block) ?? [])].reduce((n, t) => n + bytesOf(t), 0));
      const leaving = inside.map(({ own }) => own.reduce((n, t) => n + bytesOf(t), 0));
      return [[node, Math.max(0, ...inside.map((_, i) => entering[i]! + leaving[i]!))]];
    }),
  );
}
