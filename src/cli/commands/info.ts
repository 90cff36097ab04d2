import { dirname } from 'node:path';
import { pixelText, statedPixels } from '../../deploy/adapt/index.ts';
import { CARD_KEY, type ModelCard, readCard } from '../../deploy/index.ts';
import { LEAST_RATIO } from '../../dynamic/index.ts';
import { decodeModel, externalFolder, type OnnxModel, type Summary } from '../../graph/index.ts';
import { table } from '../../table.ts';
import { certificateText } from '../certificate-text.ts';
import type { Outcome } from '../context.ts';
import { bytes as byteCount, count, DASH, percent, threshold, whole } from '../format.ts';
import { exitsIn, type FileFacts, fileFacts, type Layer, layersOf, understood } from '../onnx-facts.ts';
import { naming, openSource } from '../source.ts';
import { planJson } from './adapt-plan.ts';

/** Tells what is in a model: one of ours, or any ONNX file. */
export async function info(path: string): Promise<Outcome> {
  const { bytes, run } = await openSource(path);
  return naming(path, () => {
    const folder = run ? run.folder : dirname(path);
    const model = decodeModel(bytes, { externalData: externalFolder(folder) });
    const file = fileFacts(model, bytes.length);
    const layers = layersOf(model.graph);
    if (!Object.hasOwn(model.metadata, CARD_KEY)) return foreign(path, model, file, layers);
    return own(path, readCard(bytes), file, layers, model.metadata['dynaneural.adapted']);
  });
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
  const exits = exitsIn(path);
  const stated = statedPixels(model);
  return {
    json: {
      ...{ model: path, kind: 'onnx', file, layers, summary: found ?? null, notes, obstacle: obstacle ?? null },
      exits: exits.plan ? planJson(exits.plan, exits.skips) : null,
      exitObstacle: exits.obstacle ?? null,
      pixels: stated ?? null,
    },
    text: [
      `${path}: an ONNX model by ${file.producer}, without DynaNeural metadata`,
      ...fileText(file),
      ...(stated ? [`  Its metadata say that pixels come as ${pixelText(stated)}.`] : []),
      '',
      ...layerTable(layers),
      '',
      ...(found ? summaryText(found) : operatorText(file, obstacle ?? '')),
      ...notes.map((n) => `  note: ${n}`),
      ...(found || exits.obstacle !== obstacle ? exitText(exits) : []),
    ],
  };
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

/** Where exits could go, in a sentence or two. */
const exitText = ({ plan, obstacle }: ReturnType<typeof exitsIn>): string[] => {
  if (!plan) return [`No exits can be put into it: ${obstacle}.`];
  const chosen = plan.exits.map((p) => `"${p.name}" (after ${percent(p.share)} of the MACs)`);
  const slow = plan.exits.every((p) => p.ratio < LEAST_RATIO) ? ' It is small: exits may save little time.' : '';
  return [
    `Exits could go at ${plan.places.length} places; dyna adapt would try ${chosen.join(', ')}.${slow} --plan lists all.`,
  ];
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

function own(path: string, card: ModelCard, file: FileFacts, layers: readonly Layer[], adapted?: string): Outcome {
  const { shape, mean, std } = card.preprocessing;
  return {
    json: { model: path, kind: 'dynaneural', file, layers, card },
    text: [
      `${path}: "${card.name}", written by ${card.createdBy}, form "${card.form}"`,
      ...fileText(file),
      ...table(
        [
          ['classes', `${card.classes.length}: ${card.classes.join(', ')}`],
          [
            'images',
            `[${shape.join(', ')}]${card.layout === 'NHWC' ? ' (in the file channels come last)' : ''}, mean ${figures(mean)}, std ${figures(std)}`,
          ],
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
      ...(adapted === undefined
        ? []
        : [
            "It was adapted from somebody's model: that is the full model of the certificate. Budgets are shares of this file's own full path.",
          ]),
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
            temperatures[d.name]?.toFixed(3) ?? DASH,
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

/** Risks of certified points are those of the certify part, others stand as they were on the tune part. */
const standing = (certified: boolean, proven: boolean): string =>
  certified ? 'certified' : proven ? 'not certified; risk on the tune part' : 'not certified';

const pointTable = ({ points, chosen, decisions, certificate }: ModelCard): string[] => {
  const names = decisions.filter((d) => d.rule !== 'argmax').map((d) => d.name);
  return table(
    [
      ['budget', certificate?.risk ?? 'risk', ...names.map((n) => `${n} above`), ''],
      ...points.map((p, i) => [
        percent(p.budget),
        percent(p.risk, 2),
        ...names.map((n) => threshold(p.thresholds[n] as number)),
        [i === chosen ? 'chosen' : '', standing(p.certified, certificate !== undefined)].filter(Boolean).join(', '),
      ]),
    ],
    { left: [0, 2 + names.length] },
  );
};
