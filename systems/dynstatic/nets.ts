import { type Dataset, exit, net, scope, skip, type Tensor, widths } from 'dynaneural';
import type { Net } from 'dynaneural/dynamic';
import { constant, mul, ndarray } from 'dynaneural/graph';
import { stopGradient } from 'dynaneural/nn';
import { inTurn, parts, type Shape } from '../shared/backbone.ts';
import { look, upon, wanted } from '../shared/look.ts';

/** static(width, depth): the choices that a mode fixes for everybody. */
const mode = (width: 'x1' | 'x0.5', depth: 'run' | 'skip'): Readonly<Record<string, string>> => ({
  width,
  [`width/${width}/depth`]: depth,
});
export const modes = {
  'static(1, all)': mode('x1', 'run'),
  'static(1/2, all)': mode('x0.5', 'run'),
  'static(1, short)': mode('x1', 'skip'),
  'static(1/2, short)': mode('x0.5', 'skip'),
};

/** Logits [N, 2] of a choice between more and less. */
const twoSided = (more: Tensor): Tensor => mul(more, constant(ndarray('float32', [2], [0.5, -0.5])));

/**
 * From the second group on all blocks run at full or half inner width, and the last group may be left out. One weight set;
 * each width has normalisations of its own, and after a left-out group nothing is normalised: every mode has the statistics
 * that it learnt with.
 *
 * @param learning modes learn, and the look as an exit; else only gates do, and what runs has no exit
 */
export const switchNet = (
  { shape: input, classes }: Pick<Dataset, 'shape' | 'classes'>,
  shape: Shape,
  learning = false,
): Net =>
  net({ input, classes: classes.length, name: 'dynstatic', onWarning: () => {} }, (image) => {
    const { stem, stages, answer } = parts(shape);
    const [first, middle, last] = stages;
    const x = middle.down(inTurn(first.down(stem(image)), first.blocks));
    let seen: Tensor | undefined;
    const head = (t: Tensor): Tensor => {
      seen = look(t, true);
      return seen;
    };
    if (learning) exit(x, { name: 'look', head });
    else scope('look', () => head(x));
    const at = (t: Tensor, share: number): Tensor =>
      skip(last.down(inTurn(t, middle.blocks, share)), (y) => inTurn(y, last.blocks, share), {
        name: 'depth',
        gate: (y) => wanted(y, seen!),
      });
    const features = widths(x, [1, 0.5], at, { name: 'width', gate: (t) => twoSided(wanted(t, seen!)) });
    const logits = upon(answer(features), seen);
    return learning ? logits : stopGradient(logits);
  });
