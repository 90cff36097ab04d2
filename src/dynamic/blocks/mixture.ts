import { DynaError } from '../../errors.ts';
import { interceptParams, type Tensor } from '../../graph/index.ts';
import { activate, layer, type MixtureConvOptions, mixtureConv, type RoutingOptions, routing } from '../../nn/index.ts';
import { normalize } from '../../nn/layers/conv.ts';
import { alone } from '../lower/alone.ts';
import { weigh } from '../units.ts';
import { policyIn } from './parts.ts';

export interface MixtureOptions
  extends Omit<MixtureConvOptions, 'weights' | 'form'>,
    Pick<RoutingOptions, 'temperature'> {
  /** How much of each kernel an input takes, [N, kernels]; `routing` on x by default. */
  readonly weights?: ((x: Tensor) => Tensor) | Tensor;
  /** 'softmax' (default; DyConv) or 'sigmoid' (CondConv), for the default weights. */
  readonly routing?: RoutingOptions['activation'];
  /** Kernels up to this weight are left out; none by default. */
  readonly threshold?: number;
}

/**
 * A decision by weights: a convolution with a kernel of each input's own, mixed from a few (CondConv, Yang et al. 2019,
 * arXiv:1904.04971; DyConv, Chen et al. 2019, arXiv:1912.03458).
 *
 * Files for one input mix the kernels first and convolve once; training and files for batches convolve with all kernels, and
 * mix what comes out: their compute is that of as many convolutions.
 *
 * @param x [N, C, H, W]
 * @param channels how many channels come out
 * @returns [N, channels, H / stride, W / stride]
 * @throws DynaError 'shape' | 'usage', with the layer's name
 * @example x = mixture(x, 64, { kernels: 4, temperature: 30, norm: 'batch', activation: 'relu' })
 */
export const mixture = (x: Tensor, channels: number, options: MixtureOptions): Tensor =>
  layer('mixture', options, () => {
    const { weights: _, routing: kind, temperature, threshold, norm = false, activation = false, ...rest } = options;
    const how = { ...(kind ? { activation: kind } : {}), ...(temperature === undefined ? {} : { temperature }) };
    if (threshold !== undefined && !(threshold >= 0 && threshold < 1))
      throw new DynaError(
        'usage',
        `the weight up to which kernels are left out is from 0 to below 1, got ${threshold}`,
      );
    const usual = (t: Tensor): Tensor => routing(t, rest.kernels, { ...how, name: 'routing' });
    const weights = weigh(() => policyIn(options, 'weights', x, usual), {
      ...{ family: 'kernels', name: 'kernels' },
      ...(threshold === undefined ? {} : { threshold }),
    });
    const conv = { ...rest, bias: rest.bias ?? norm === false, name: 'conv' };
    const parameters: Tensor[] = [];
    const batched = interceptParams(
      (_, make) => {
        const made = make();
        parameters.push(made);
        return made;
      },
      () => mixtureConv(x, channels, { ...conv, weights }),
    );
    const one = ([own, mix, ...held]: readonly Tensor[]): Tensor =>
      interceptParams(
        () => held.shift()!,
        () => mixtureConv(own!, channels, { ...conv, weights: mix!, form: 'kernel' }),
      );
    return activate(
      normalize(
        alone(batched, [x, weights, ...parameters], (inputs) => one([...inputs])),
        norm,
      ),
      activation,
    );
  });
