import {
  type Among,
  type Column,
  type Decision,
  isExit,
  type KeepDecision,
  type Point,
  type RegionCost,
  type SelectDecision,
  type UnitCost,
  type WeighDecision,
} from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { type CardCertificate, type ModelCard, SCHEMA, type TensorNames } from './card.ts';
import {
  amount,
  count,
  extended,
  flag,
  index,
  list,
  number,
  optional,
  positive,
  type Read,
  record,
  share,
  table,
  text,
  word,
  wrong,
} from './validate.ts';

const exactness: Read<Decision['options'][number]['exactness']> = (value, at) =>
  value === 'exact' ? value : record({ approximate: amount })(value, at);

const isTrue: Read<true> = (value, at) => {
  if (value !== true) throw wrong(at, 'true or left out', value);
  return value;
};

const deciding = {
  name: text,
  family: text,
  options: list(record<Decision['options'][number]>({ name: text, exactness, answers: optional(isTrue) })),
};
const select = record<SelectDecision>({
  ...deciding,
  kind: word('select'),
  rule: word('threshold', 'argmax'),
  peers: optional(isTrue),
  among: optional(record<Among>({ group: text, place: index, take: count })),
});
const keep = record<KeepDecision>({
  ...deciding,
  kind: word('keep'),
  rule: word('top', 'threshold'),
  units: count,
  always: index,
  own: extended,
});
const weigh = record<WeighDecision>({
  ...deciding,
  kind: word('weigh'),
  rule: word('threshold'),
  units: count,
  own: extended,
});

const decision: Read<Decision> = (value, at) => {
  const { kind } = (value ?? {}) as { readonly kind?: unknown };
  return kind === 'keep' ? keep(value, at) : kind === 'weigh' ? weigh(value, at) : select(value, at);
};

const column = record<Column>({
  kind: word('option', 'exits', 'count', 'bitset', 'weights'),
  decisions: list(text),
  first: optional(index),
  units: optional(count),
});

const region = record<RegionCost>({
  guard: list(record({ decision: text, option: index })),
  units: optional(
    list(record<UnitCost>({ units: list(record({ decision: text, of: count, power: count })), macs: amount })),
  ),
  macs: amount,
  weightBytes: amount,
  activationBytes: amount,
  integerOps: amount,
});

const oneOrMore: Read<number | number[]> = (value, at) =>
  Array.isArray(value) ? list(extended)(value, at) : extended(value, at);

const point = record<Omit<Point, 'batched'>>({
  thresholds: table(oneOrMore),
  budget: share,
  risk: number,
  shares: list(share),
  certified: flag,
});

const certificate = record<CardCertificate>({
  risk: word('harm', 'loss', 'disagreement'),
  method: word('binomial', 'betting'),
  epsilon: positive,
  delta: positive,
  n: count,
  fullModelKept: flag,
  message: text,
});

const schema: Read<typeof SCHEMA> = (value, at) => {
  if (value !== SCHEMA) throw wrong(at, String(SCHEMA), value);
  return value;
};

const card = record<ModelCard>({
  schema,
  name: text,
  createdBy: text,
  form: word('rows', 'branch'),
  names: optional(record<TensorNames>({ input: text, output: text })),
  output: optional(word('logits', 'probabilities', 'log-probabilities')),
  layout: optional(word('NCHW', 'NHWC')),
  classes: list(text),
  preprocessing: record({ shape: list(count), scale: positive, mean: list(number), std: list(positive) }),
  decisions: list(decision),
  columns: list(column),
  regions: list(region),
  fullMacs: amount,
  temperatures: table(positive),
  points: list(point),
  chosen: index,
  certificate: optional(certificate),
  hash: optional(text),
});

/**
 * Reads the JSON of a card and checks it against itself.
 *
 * @throws DynaError 'model' for JSON that is damaged, of another form, or of a newer schema version
 */
export function readCardJson(json: string): ModelCard {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new DynaError('model', `the model card is damaged: it is not JSON (${(cause as Error).message})`, { cause });
  }
  const version = (value as { schema?: unknown } | null)?.schema;
  if (typeof version === 'number' && version > SCHEMA)
    throw new DynaError('model', `the model card has schema version ${version}, this library reads version ${SCHEMA}`, {
      fix: 'update dynaneural',
    });
  const read = card(value, '');
  checkTogether(read);
  return read;
}

/** Whether a column can tell of a decision. */
function tells({ kind, units }: Column, d: Decision): boolean {
  if (d.kind === 'select') return kind === (isExit(d) ? 'exits' : 'option');
  return units === d.units && (d.kind === 'weigh' ? kind === 'weights' : kind === 'count' || kind === 'bitset');
}

/** What the parts of a card promise each other. */
function checkTogether(c: ModelCard): void {
  const { preprocessing: p, decisions, points } = c;
  const named = new Map(decisions.map((d) => [d.name, d]));
  const require = (holds: boolean, at: string, expected: string, value: unknown): void => {
    if (!holds) throw wrong(at, expected, value);
  };
  require(c.classes.length > 0, 'classes', 'at least one name', c.classes);
  const names = c.names && [c.names.input, c.names.output, ...(decisions.length > 0 ? ['trace'] : [])];
  require(!names ||
    (new Set(names).size === names.length &&
      !names.includes('')), 'names', 'different names for input and output, none of them "trace"', c.names);
  require(p.shape.length > 0, 'preprocessing.shape', 'the shape of one input', p.shape);
  require(c.layout !== 'NHWC' ||
    p.shape.length === 3, 'preprocessing.shape', '[channels, height, width] where layout is "NHWC"', p.shape);
  require(p.mean.length === p.std.length &&
    (p.mean.length === 1 ||
      p.mean.length === p.shape[0]), 'preprocessing.mean and .std', 'one number for all, or one for each channel', [
    p.mean,
    p.std,
  ]);
  require(named.size === decisions.length, 'decisions', 'of different names', decisions.map((d) => d.name));
  for (const d of decisions)
    require(d.kind === 'weigh' ||
      (d.options.length >= 2 &&
        (d.rule === 'argmax' ||
          d.options.length === 2)), `options of decision "${d.name}"`, 'two, or more with the rule "argmax"', d.options
      .length);
  const inColumns = c.columns.flatMap((column) => (column.first ? [] : column.decisions));
  require(inColumns.length === named.size &&
    new Set(inColumns).size === named.size &&
    c.columns.every((k) => k.decisions.length > 0 && (k.kind === 'exits' || k.decisions.length === 1)) &&
    c.columns.every((k) =>
      k.decisions.every((name) => named.has(name) && tells(k, named.get(name)!)),
    ), 'columns', 'each decision once', c.columns);
  for (const { units = [] } of c.regions)
    for (const u of units.flatMap((term) => term.units)) {
      const d = named.get(u.decision);
      require(d?.kind === 'keep' && d.units === u.of, 'a region', 'priced by known units', u);
    }
  for (const { guard } of c.regions)
    for (const g of guard)
      require(g.option < (named.get(g.decision)?.options.length ?? 0), 'a region', 'guarded by known options', g);
  for (const exit of Object.keys(c.temperatures)) require(named.has(exit), 'temperatures', 'of known exits', exit);

  require(points[c.chosen] !== undefined, 'chosen', 'the number of a point', c.chosen);
  const wanted = decisions.filter((d) => d.rule !== 'argmax').map((d) => d.name);
  const exits = decisions.filter(isExit).length;
  for (const [i, { thresholds, shares }] of points.entries()) {
    const at = `points[${i}].thresholds`;
    const missing = wanted.find((n) => !Object.hasOwn(thresholds, n));
    require(missing === undefined, at, `one for each of ${wanted.join(', ') || 'no decisions'}`, Object.keys(
      thresholds,
    ));
    for (const [name, value] of Object.entries(thresholds)) {
      const several = named.get(name)?.rule === 'argmax';
      const fits = Array.isArray(value) ? several && value.length === named.get(name)!.options.length : !several;
      require(named.has(name) &&
        fits, `${at}["${name}"]`, 'of a known decision: one number, or one for each option', value);
    }
    require(shares.length === exits + 1, `points[${i}].shares`, `${exits + 1} numbers`, shares);
  }
  const claims = points.some((q) => q.certified);
  require((c.certificate !== undefined) === claims &&
    (c.hash === undefined || claims), 'certificate', 'there exactly when a point is certified', {
    certificate: c.certificate !== undefined,
    certifiedPoints: claims,
  });
  require(!claims || points[c.chosen]!.certified, 'chosen', 'a certified point', c.chosen);
}
