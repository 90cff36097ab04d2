import { DynaError } from '../errors.ts';
import type { NDArray } from '../graph/index.ts';
import { type CostVector, costTable, pathCost, type RegionCost } from './cost.ts';
import { type Column, columnsOf } from './lower/columns.ts';
import { decisionsOf, type Net } from './traced.ts';

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

/** What is needed to read a trace: the decisions in the order of its rows, the columns, and the cost of each region. */
export interface TraceKey {
  readonly decisions: readonly string[];
  readonly columns: readonly Column[];
  readonly regions: readonly RegionCost[];
}

/** The key to the traces of a net, by `decodeTrace`. */
export const traceKey = (net: Pick<Net, 'output'>): TraceKey => ({
  decisions: decisionsOf(net).map((d) => d.name),
  columns: columnsOf(net),
  regions: costTable(net),
});

/** The option that each decision took, by name, from one row of a trace; undefined where it was not reached. */
function optionsTaken(row: ArrayLike<number>, columns: readonly Column[]): Map<string, number> {
  const taken = new Map<string, number>();
  for (const [j, { kind, decisions }] of columns.entries()) {
    const value = row[j]!;
    if (value < 0) continue;
    if (kind === 'option') taken.set(decisions[0]!, value);
    // Passed `value` exits (option 0), then stopped at the next one, if there is one (option 1).
    else for (const [e, name] of decisions.slice(0, value + 1).entries()) taken.set(name, e < value ? 0 : 1);
  }
  return taken;
}

/**
 * Reads the choices that a model put out, [n, columns] float32 with -1 for "not reached".
 *
 * @throws DynaError 'model' where the tensor does not fit the decisions
 * @example decodeTrace(outputs.trace, map)[0].macs
 */
export function decodeTrace({ dims, data }: NDArray, key: TraceKey): Trace[] {
  const width = key.columns.length;
  if (dims.length !== 2 || dims[1] !== width)
    throw new DynaError('model', `this trace should have ${width} columns, [n, ${width}], got [${dims.join(', ')}]`);
  const known = new Map<string, Trace>();
  return Array.from({ length: dims[0]! }, (_, i) => {
    const row = Array.from({ length: width }, (_, j) => Number(data[i * width + j]));
    const path = row.join();
    const trace = known.get(path) ?? traceOf(optionsTaken(row, key.columns), key);
    known.set(path, trace);
    return trace;
  });
}

function traceOf(taken: ReadonlyMap<string, number>, key: TraceKey): Trace {
  const rows = key.decisions.map((decision): TraceRow => {
    const value = taken.get(decision);
    return { decision, step: 0, kind: 'index', value: value ?? null, reached: value !== undefined };
  });
  const cost = pathCost(key.regions, (name) => taken.get(name));
  return { rows, macs: cost.macs, cost };
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
