import { DynaError } from '../errors.ts';
import type { NDArray } from '../graph/index.ts';
import { type CostVector, pathCost, type RegionCost } from './cost.ts';

/** One choice that one input met. */
export interface TraceRow {
  /** Name of the decision. */
  readonly decision: string;
  /** Time step of a net with state; 0 for others. */
  readonly step: number;
  /** What `value` is: an option's number, how many units were kept, which ones, or their weights. */
  readonly kind: 'index' | 'count' | 'bitset' | 'weights';
  /** The choice; null where the decision was not reached. */
  readonly value: number | readonly number[] | null;
  readonly reached: boolean;
}

/** What one input did on its way through a net, and what that cost. Time belongs to the run, not to an input. */
export interface Trace {
  readonly rows: readonly TraceRow[];
  readonly macs: number;
  readonly cost: CostVector;
}

/** What is needed to read a trace: the decisions in the order of the columns, and the cost of each region. */
export interface TraceKey {
  readonly decisions: readonly string[];
  readonly regions: readonly RegionCost[];
}

/**
 * Reads the choices that a model put out, [n, decisions] float32 with -1 for "not reached".
 *
 * @throws DynaError 'model' where the tensor does not fit the decisions
 * @example decodeTrace(outputs.trace, map)[0].macs
 */
export function decodeTrace({ dims, data }: NDArray, key: TraceKey): Trace[] {
  const [n, width] = dims;
  if (dims.length !== 2 || width !== key.decisions.length)
    throw new DynaError(
      'model',
      `a trace of ${key.decisions.length} decisions is [n, ${key.decisions.length}], got [${dims.join(', ')}]`,
    );
  const costs = new Map<string, CostVector>();
  return Array.from({ length: n! }, (_, i) => {
    const values = Array.from({ length: width! }, (_, j) => Number(data[i * width! + j]));
    const rows = key.decisions.map((decision, j): TraceRow => {
      const reached = values[j]! >= 0;
      return { decision, step: 0, kind: 'index', value: reached ? values[j]! : null, reached };
    });
    const path = values.join();
    const cost = costs.get(path) ?? pathCost(key.regions, (name) => values[key.decisions.indexOf(name)]);
    costs.set(path, cost);
    return { rows, macs: cost.macs, cost };
  });
}

/** JSON Schema (2020-12) of `Trace`. */
export const traceSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Trace of one input through a dynamic network',
  type: 'object',
  required: ['rows', 'macs', 'cost'],
  additionalProperties: false,
  properties: {
    rows: {
      type: 'array',
      items: {
        type: 'object',
        required: ['decision', 'step', 'kind', 'value', 'reached'],
        additionalProperties: false,
        properties: {
          decision: { type: 'string' },
          step: { type: 'integer', minimum: 0 },
          kind: { enum: ['index', 'count', 'bitset', 'weights'] },
          value: { oneOf: [{ type: 'number' }, { type: 'array', items: { type: 'number' } }, { type: 'null' }] },
          reached: { type: 'boolean' },
        },
      },
    },
    macs: { type: 'number', minimum: 0 },
    cost: {
      type: 'object',
      required: ['macs', 'weightBytes', 'activationBytes', 'integerOps'],
      additionalProperties: false,
      properties: {
        macs: { type: 'number', minimum: 0 },
        weightBytes: { type: 'number', minimum: 0 },
        activationBytes: { type: 'number', minimum: 0 },
        integerOps: { type: 'number', minimum: 0 },
      },
    },
  },
} as const;
