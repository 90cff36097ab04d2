import { exit, type Net, net } from '../dynamic/index.ts';
import { classify, conv, residual } from '../nn/index.ts';

/** What a ready-made net needs to know about the data. */
export interface Task {
  /** Shape of one image, channels first. */
  readonly input: readonly number[];
  readonly classes: number;
}

const stem = { norm: 'batch', activation: 'relu' } as const;

/**
 * A residual net with two exits for small images (28x28 grey or 32x32 colour). Most of its compute lies after the exits, whose
 * heads are as light as can be: a decision has to guard about twenty times its own time to be worth it.
 */
export const multiExit = ({ input, classes }: Task): Net =>
  net({ input, classes, name: 'multi-exit' }, (x) => {
    x = conv(x, 32, stem);
    x = residual(x, 48, { stride: 2 });
    x = residual(x, 48);
    x = exit(x, { head: classify });
    x = residual(x, 96, { stride: 2 });
    x = exit(x, { head: classify });
    x = residual(x, 192);
    x = residual(x, 256, { stride: 2 });
    x = residual(x, 256);
    return classify(x);
  });

/** The same depth without exits, narrowed to about the MACs that the dynamic net spends on the mean input. */
export const plain = ({ input, classes }: Task): Net =>
  net({ input, classes, name: 'plain' }, (x) => {
    x = conv(x, 32, stem);
    x = residual(x, 32, { stride: 2 });
    x = residual(x, 48);
    x = residual(x, 64, { stride: 2 });
    x = residual(x, 96);
    x = residual(x, 128, { stride: 2 });
    return classify(x);
  });
