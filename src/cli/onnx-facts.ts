import { type ExitPlan, planExits, readForeign, type SkipPlace, skipPlaces } from '../deploy/adapt/index.ts';
import { DynaError } from '../errors.ts';
import {
  forEachNode,
  fromOnnx,
  type OnnxGraph,
  type OnnxModel,
  type OnnxValue,
  readOnnxFile,
  type Summary,
  sizeOf,
  subgraphsOf,
  summary,
} from '../graph/index.ts';

/** What a file says without being understood. */
export interface FileFacts {
  readonly bytes: number;
  readonly producer: string;
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Nodes of all graphs, by operator. */
  readonly operators: Readonly<Record<string, number>>;
}

export function fileFacts(model: OnnxModel, size: number): FileFacts {
  const stored = new Set(model.graph.initializers.map((t) => t.name));
  const operators = new Map<string, number>();
  forEachNode(model.graph, ({ op, domain }) => {
    const name = domain ? `${domain}.${op}` : op;
    operators.set(name, (operators.get(name) ?? 0) + 1);
  });
  return {
    bytes: size,
    producer: `${model.producer} ${model.producerVersion}`.trim() || 'an unknown program',
    irVersion: model.irVersion,
    opsets: model.opsets,
    inputs: model.graph.inputs.filter((v) => !stored.has(v.name)).map(signature),
    outputs: model.graph.outputs.map(signature),
    operators: Object.fromEntries([...operators].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

const signature = ({ name, dtype, shape }: OnnxValue): string =>
  `${name} ${dtype}${shape ? `[${shape.map((d) => d ?? '?').join(', ')}]` : ''}`;

export interface Layer {
  readonly name: string;
  readonly parameters: number;
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

/** Stored tensors by the scope that they were made in: "stem/conv/weight" belongs to the layer "stem/conv". */
export function layersOf(graph: OnnxGraph): Layer[] {
  const layers = new Map<string, { parameters: number; tensors: Record<string, readonly number[]> }>();
  const visit = (g: OnnxGraph): void => {
    for (const { name, dims, dtype } of g.initializers) {
      if (!dtype.startsWith('float') || dims.length === 0) continue;
      const at = Math.max(name.lastIndexOf('/'), name.lastIndexOf('.'));
      const layer = layers.get(name.slice(0, Math.max(0, at))) ?? { parameters: 0, tensors: {} };
      layer.parameters += sizeOf(dims);
      layer.tensors[name.slice(at + 1)] = dims;
      layers.set(name.slice(0, Math.max(0, at)), layer);
    }
    for (const node of g.nodes) subgraphsOf(node).forEach(visit);
  };
  visit(graph);
  return [...layers].map(([name, layer]) => ({ name, ...layer }));
}

/** Where exits could stand in a foreign model, or why `dyna adapt` would refuse it. */
export function exitsIn(path: string): { plan?: ExitPlan; skips: readonly SkipPlace[]; obstacle?: string } {
  try {
    const foreign = readForeign(readOnnxFile(path));
    return { plan: planExits(foreign), skips: skipPlaces(foreign) };
  } catch (error) {
    if (!(error instanceof DynaError)) throw error;
    return { skips: [], obstacle: error.message };
  }
}

/** What this library makes of a foreign model; what it cannot read it says. */
export function understood(model: OnnxModel): { found?: Summary; notes: readonly string[]; obstacle?: string } {
  try {
    const { outputs, notes } = fromOnnx(model);
    return { found: summary(Object.values(outputs)), notes };
  } catch (error) {
    if (!(error instanceof DynaError)) throw error;
    return { notes: [], obstacle: error.message };
  }
}
