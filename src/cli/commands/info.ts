import { dirname } from 'node:path';
import { type ModelCard, readCard } from '../../deploy/index.ts';
import { DynaError } from '../../errors.ts';
import {
  decodeModel,
  externalFolder,
  forEachNode,
  fromOnnx,
  type OnnxGraph,
  type OnnxModel,
  type OnnxValue,
  type Summary,
  sizeOf,
  subgraphsOf,
  summary,
} from '../../graph/index.ts';
import { certificateText } from '../certificate-text.ts';
import type { Outcome } from '../context.ts';
import { bytes as byteCount, count, percent, threshold, whole } from '../format.ts';
import { naming, openSource } from '../source.ts';
import { table } from '../table.ts';

/** The metadata entry that makes an ONNX file one of ours. */
const CARD_KEY = 'dynaneural';

/** Tells what is in a model: one of ours, or any ONNX file. */
export async function info(path: string): Promise<Outcome> {
  const { bytes, run } = await openSource(path);
  return naming(path, () => {
    const folder = run ? run.folder : dirname(path);
    const model = decodeModel(bytes, { externalData: externalFolder(folder) });
    const file = fileFacts(model, bytes.length);
    const layers = layersOf(model.graph);
    if (!Object.hasOwn(model.metadata, CARD_KEY)) return foreign(path, model, file, layers);
    return own(path, readCard(bytes), file, layers);
  });
}

interface FileFacts {
  readonly bytes: number;
  readonly producer: string;
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Nodes of all graphs, by operator. */
  readonly operators: Readonly<Record<string, number>>;
}

function fileFacts(model: OnnxModel, size: number): FileFacts {
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

interface Layer {
  readonly name: string;
  readonly parameters: number;
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

/** Stored tensors by the scope that they were made in: "stem/conv/weight" belongs to the layer "stem/conv". */
function layersOf(graph: OnnxGraph): Layer[] {
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

const layerTable = (layers: readonly Layer[]): string[] => {
  if (layers.length === 0) return ['  no stored weights'];
  const rows = layers.map(({ name, parameters, tensors }) => [
    name || '(no scope)',
    whole(parameters),
    Object.entries(tensors)
      .map(([n, dims]) => `${n} [${dims.join(', ')}]`)
      .join('  '),
  ]);
  return table([['layer', 'parameters', 'tensors'], ...rows], { left: [0, 2] });
};

function foreign(path: string, model: OnnxModel, file: FileFacts, layers: readonly Layer[]): Outcome {
  const { found, notes, obstacle } = understood(model);
  return {
    json: { model: path, kind: 'onnx', file, layers, summary: found ?? null, notes, obstacle: obstacle ?? null },
    text: [
      `${path}: an ONNX model by ${file.producer}, without DynaNeural metadata`,
      ...fileText(file),
      '',
      ...layerTable(layers),
      '',
      ...(found ? summaryText(found) : operatorText(file, obstacle ?? '')),
      ...notes.map((n) => `  note: ${n}`),
    ],
  };
}

/** What this library makes of a foreign model; what it cannot read it says. */
function understood(model: OnnxModel): { found?: Summary; notes: readonly string[]; obstacle?: string } {
  try {
    const { outputs, notes } = fromOnnx(model);
    return { found: summary(Object.values(outputs)), notes };
  } catch (error) {
    if (!(error instanceof DynaError)) throw error;
    return { notes: [], obstacle: error.message };
  }
}

const verdict = { yes: 'yes', flat: 'flat (no gradient)', no: 'no' } as const;

const summaryText = (s: Summary): string[] => [
  ...table(
    [
      ['operator', 'nodes', 'MACs', 'differentiable'],
      ...s.operators.map((o) => [o.name, String(o.count), count(o.macs), verdict[o.differentiable]]),
    ],
    { left: [0, 3] },
  ),
  '',
  `${whole(s.parameters.trained)} parameters in ${s.parameters.tensors} tensors, ${count(s.macs)} MACs for one input`,
  trainable(s),
];

const trainable = ({ parameters, differentiable }: Summary): string => {
  if (parameters.trained === 0) return 'It has no parameters that could be trained.';
  return differentiable
    ? 'It can be trained: gradients reach every parameter.'
    : 'It cannot be trained as it is: an operator marked "no" has no gradient.';
};

const operatorText = ({ operators }: FileFacts, obstacle: string): string[] => [
  ...table([['operator', 'nodes'], ...Object.entries(operators).map(([name, n]) => [name, String(n)])]),
  '',
  `Its costs and gradients are unknown: ${obstacle}.`,
];

const fileText = (f: FileFacts): string[] =>
  table(
    [
      [
        'file',
        `${byteCount(f.bytes)}, IR ${f.irVersion}, opset ${Object.entries(f.opsets)
          .map(([d, v]) => (d ? `${d} ${v}` : v))
          .join(', ')}`,
      ],
      ['inputs', f.inputs.join('; ') || 'none'],
      ['outputs', f.outputs.join('; ')],
    ],
    { left: [0, 1] },
  );

function own(path: string, card: ModelCard, file: FileFacts, layers: readonly Layer[]): Outcome {
  const { shape, mean, std } = card.preprocessing;
  return {
    json: { model: path, kind: 'dynaneural', file, layers, card },
    text: [
      `${path}: "${card.name}", written by ${card.createdBy}, form "${card.form}"`,
      ...fileText(file),
      ...table(
        [
          ['classes', `${card.classes.length}: ${card.classes.join(', ')}`],
          ['images', `[${shape.join(', ')}], mean ${figures(mean)}, std ${figures(std)}`],
          ['full path', `${count(card.fullMacs)} MACs`],
        ],
        { left: [0, 1] },
      ),
      '',
      ...layerTable(layers),
      '',
      ...decisionTable(card),
      '',
      ...regionTable(card),
      '',
      ...pointTable(card),
      '',
      ...(card.certificate
        ? certificateText(card.certificate)
        : ['Nothing is certified: the file takes no exits by itself.']),
      ...(card.hash ? [`Bound to this file's content: ${card.hash.slice(0, 16)}.`] : []),
    ],
  };
}

const figures = (values: readonly number[]): string => values.map((v) => String(Number(v.toFixed(4)))).join(', ');

const decisionTable = ({ decisions, temperatures }: ModelCard): string[] =>
  decisions.length === 0
    ? ['  no decisions: a static net']
    : table(
        [
          ['decision', 'kind', 'options', 'rule', 'temperature'],
          ...decisions.map((d) => [
            d.name,
            d.family,
            d.options.map((o) => o.name).join(' | '),
            d.rule,
            temperatures[d.name]?.toFixed(3) ?? '-',
          ]),
        ],
        { left: [0, 1, 2, 3] },
      );

const regionTable = ({ regions, decisions, fullMacs }: ModelCard): string[] => {
  const option = (name: string, k: number) => decisions.find((d) => d.name === name)?.options[k]?.name ?? String(k);
  return table([
    ['region: runs when', 'MACs', 'of full', 'weights', 'activations'],
    ...regions.map((r) => [
      r.guard.map((g) => `${g.decision} = ${option(g.decision, g.option)}`).join(', ') || 'always',
      count(r.macs),
      percent(r.macs / fullMacs),
      byteCount(r.weightBytes),
      byteCount(r.activationBytes),
    ]),
  ]);
};

const pointTable = ({ points, chosen, decisions }: ModelCard): string[] => {
  const names = decisions.filter((d) => d.rule === 'threshold').map((d) => d.name);
  return table(
    [
      ['budget', 'risk', ...names.map((n) => `${n} above`), ''],
      ...points.map((p, i) => [
        percent(p.budget),
        percent(p.risk, 2),
        ...names.map((n) => threshold(p.thresholds[n]!)),
        [i === chosen ? 'chosen' : '', p.certified ? 'certified' : 'not certified'].filter(Boolean).join(', '),
      ]),
    ],
    { left: [0, 2 + names.length] },
  );
};
