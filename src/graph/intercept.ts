import type { ParamAttrs } from './ops/leaf.ts';
import type { Tensor } from './tensor.ts';

/** Sees each parameter that is about to be made, and gives the tensor that stands for it. */
export type ParamHook = (wanted: Pick<ParamAttrs, 'name' | 'shape' | 'role'>, make: () => Tensor) => Tensor;

let hook: ParamHook | undefined;

/**
 * Runs `fn` with a say in what its parameters are: made anew, or views of others (slimmable widths).
 *
 * @example interceptParams((wanted, make) => masters.get(wanted.name) ?? make(), () => conv(x, 16))
 */
export function interceptParams<T>(own: ParamHook, fn: () => T): T {
  const outer = hook;
  hook = outer ? (wanted, make) => own(wanted, () => outer(wanted, make)) : own;
  try {
    return fn();
  } finally {
    hook = outer;
  }
}

/** The tensor for a parameter: what the hook says, or a new one. */
export const intercepted: ParamHook = (wanted, make) => (hook ? hook(wanted, make) : make());
