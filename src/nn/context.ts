import { DynaError } from '../errors.ts';

let classes: number | undefined;

/** Runs `fn` as the trace of a net with `count` classes. Traces are synchronous and may nest. */
export function withClasses<T>(count: number, fn: () => T): T {
  if (!Number.isInteger(count) || count < 1)
    throw new DynaError('usage', `the number of classes should be a whole number from 1 on, got ${count}`);
  const outer = classes;
  classes = count;
  try {
    return fn();
  } finally {
    classes = outer;
  }
}

/** The number of classes of the net that is being traced. */
export function currentClasses(): number {
  if (classes === undefined)
    throw new DynaError('usage', 'the number of classes is not known here', {
      fix: 'give it, as in classify(x, { classes: 10 }), or trace inside net({ classes: 10 }, ...)',
    });
  return classes;
}
