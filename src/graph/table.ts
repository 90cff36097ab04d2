import * as control from './ops/control.ts';
import * as conv from './ops/conv.ts';
import * as elementwise from './ops/elementwise.ts';
import * as indexing from './ops/indexing.ts';
import * as leaf from './ops/leaf.ts';
import * as linear from './ops/linear.ts';
import * as more from './ops/more.ts';
import * as norm from './ops/norm.ts';
import * as pool from './ops/pool.ts';
import * as reduce from './ops/reduce.ts';
import * as reshape from './ops/reshape.ts';
import * as sampling from './ops/sampling.ts';
import * as slicing from './ops/slicing.ts';
import * as topK from './ops/top-k.ts';
import type { Operator } from './tensor.ts';

const isOperator = (v: unknown): v is Operator =>
  typeof v === 'object' && v !== null && 'infer' in v && 'gradient' in v;

/** Every operator of the library: the closed set that graphs, files and the documentation's table are made of. */
export const operators: readonly Operator[] = [
  leaf,
  elementwise,
  linear,
  conv,
  pool,
  norm,
  reduce,
  reshape,
  slicing,
  sampling,
  indexing,
  topK,
  control,
  more,
]
  .flatMap((room) => Object.values(room as Record<string, unknown>))
  .filter(isOperator);
