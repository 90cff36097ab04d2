import { type Dataset, exit, net, scope, skip, type Tensor } from 'dynaneural';
import type { Net } from 'dynaneural/dynamic';
import { sharedWeights, stopGradient } from 'dynaneural/nn';
import { inTurn, parts, type Shape } from '../shared/backbone.ts';
import { look, upon, wanted } from '../shared/look.ts';

type Data = Pick<Dataset, 'shape' | 'classes'>;

/**
 * The backbone as the depths of its largest group see it. Each depth goes through the end of the net with the same weights and
 * normalisations of its own, since what few blocks leave has other statistics than what many leave (slimmable networks, Yu et al.
 * 2018, arXiv:1812.08928, for widths). Only the full depth runs the blocks of the last group.
 */
function depthsOf(shape: Shape) {
  const { stem, stages, answer } = parts(shape);
  const [first, middle, last] = stages;
  const { blocks } = middle;
  const shared = sharedWeights();
  return {
    blocks,
    begin: (image: Tensor): Tensor => middle.down(inTurn(first.down(stem(image)), first.blocks)),
    end: (x: Tensor, depth: number, seen?: Tensor): Tensor =>
      upon(
        shared(() => answer(inTurn(last.down(x), depth < blocks.length ? [] : last.blocks))),
        seen,
      ),
    look: (x: Tensor, depth: number, seen?: Tensor): Tensor => upon(look(x, depth === 0), seen),
  };
}

/** In which depths and looks learn: each of them as an exit of the full depth. */
export const learningNet = ({ shape: input, classes }: Data, shape: Shape): Net =>
  net({ input, classes: classes.length, name: 'depths', onWarning: () => {} }, (image) => {
    const { blocks, begin, end, look: lookAt } = depthsOf(shape);
    let x = begin(image);
    let seen: Tensor | undefined;
    for (const [depth, block] of blocks.entries()) {
      x = exit(x, { name: `look${depth}`, head: (t) => (seen = lookAt(t, depth, seen)) });
      x = exit(x, { name: `end${depth}`, head: (t) => end(t, depth, seen) });
      x = block(x);
    }
    return scope(`end${blocks.length}`, () => end(x, blocks.length, seen));
  });

/**
 * What runs: a gate before each block asks whether the image goes deeper, or to the end. Only gates learn in it: depths know
 * all they are to know.
 */
export const gatedNet = ({ shape: input, classes }: Data, shape: Shape): Net =>
  net({ input, classes: classes.length, name: 'adaptive-depth', onWarning: () => {} }, (image) => {
    const { blocks, begin, end, look: lookAt } = depthsOf(shape);
    const ended = (x: Tensor, depth: number, seen?: Tensor): Tensor =>
      stopGradient(scope(`end${depth}`, () => end(x, depth, seen)));
    const from = (x: Tensor, depth: number, before?: Tensor): Tensor => {
      if (depth === blocks.length) return ended(x, depth, before);
      let seen: Tensor | undefined;
      return skip(x, (t) => from(blocks[depth]!(t), depth + 1, seen), {
        name: `gate${depth + 1}`,
        gate: (t) => {
          const saw = scope(`look${depth}`, () => lookAt(t, depth, before));
          seen = saw;
          return wanted(t, saw);
        },
        shortcut: (t) => ended(t, depth, seen),
      });
    };
    return from(begin(image), 0);
  });
