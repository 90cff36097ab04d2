import { exit, type Net, net } from '../dynamic/index.ts';
import type { Tensor } from '../graph/index.ts';
import { classify, conv, residual } from '../nn/index.ts';

/** What a ready-made net needs to know about the data. */
export interface Task {
  /** Shape of one image, channels first. */
  readonly input: readonly number[];
  readonly classes: number;
}

/** An exit's head: one more convolution, so that an early answer also sees coarse features. */
const head = (x: Tensor): Tensor => classify(conv(x, 64, { stride: 2, norm: 'batch', activation: 'relu' }));

/**
 * A residual net with two exits for small images (28x28 grey or 32x32 colour). Its body is wide and late where the early
 * part is thin, because a decision has to guard about twenty times its own time to be worth it.
 */
export const multiExit = ({ input, classes }: Task): Net =>
  net({ input, classes, name: 'multi-exit' }, (x) => {
    x = conv(x, 16, { norm: 'batch', activation: 'relu' });
    x = residual(x, 48, { stride: 2 });
    x = exit(x, { head });
    x = residual(x, 64);
    x = exit(x, { head });
    x = residual(x, 128, { stride: 2 });
    x = residual(x, 128);
    x = residual(x, 256, { stride: 2 });
    return classify(x);
  });

/** The same depth without exits, narrowed to about a third of the MACs: what a static net can do for the same compute. */
export const plain = ({ input, classes }: Task): Net =>
  net({ input, classes, name: 'plain' }, (x) => {
    x = conv(x, 16, { norm: 'batch', activation: 'relu' });
    x = residual(x, 32, { stride: 2 });
    x = residual(x, 32);
    x = residual(x, 64, { stride: 2 });
    x = residual(x, 64);
    x = residual(x, 128, { stride: 2 });
    return classify(x);
  });
