import type { Trained } from 'dynaneural';
import type { Net } from 'dynaneural/dynamic';
import type { Context } from '../shared/context.ts';
import { cifarSplits } from '../shared/data.ts';
import { mean } from '../shared/evaluate.ts';
import { stat } from '../shared/stats.ts';
import type { Contender, Figure, Findings, Role, Works } from '../shared/system.ts';
import type { Chosen } from './choices.ts';
import { type Movement, movementOf, strongestOf } from './movement.ts';
import { BASE, built, macsAlone, macsInBatches, type Parts, parameterCount, rivalsFor, TINY } from './nets.ts';
import { accuracyOn, blindOn, choicesOn, learn, type Times, timesOn, type Warped, warpedSplits } from './trial.ts';

/** What is put into the two blocks at 8x8. */
const contests: Readonly<Record<string, Parts>> = {
  deformable: { deformable: true },
  'kernel mixture': { mixture: true },
  both: { deformable: true, mixture: true },
};

const million = (n: number, digits = 1): string => `${(n / 1e6).toFixed(digits)} M`;

/** A contest: its net, and the plain ones at no fewer parameters and no fewer MACs, by name. */
interface Contest {
  readonly net: Net;
  readonly parameters: string;
  readonly macs: string;
}

/** The plain net, and those it is widened to; all contests. */
function line(cx: Context, { train }: Warped): { plains: Map<string, Net>; contests: Map<string, Contest> } {
  const base = cx.quick ? TINY : BASE;
  const nets = Object.entries(contests).map(([name, parts]) => [name, built(train, base, parts)] as const);
  const shapes = rivalsFor(
    base,
    nets.flatMap(([, made]) =>
      [parameterCount, macsAlone].map((cost) => ({ cost: (s) => cost(built(train, s)), target: cost(made) })),
    ),
  );
  const plains = new Map([['plain', built(train, base)]]);
  const names = shapes.map((shape) => {
    const made = built(train, shape);
    const name = `plain, ${million(parameterCount(made), 3)} parameters, ${million(macsAlone(made), 2)} MACs`;
    if (!plains.has(name)) plains.set(name, made);
    return name;
  });
  return {
    plains,
    contests: new Map(
      nets.map(([name, made], i) => [name, { net: made, parameters: names[2 * i]!, macs: names[2 * i + 1]! }]),
    ),
  };
}

/** What was found of one net, one value for each seed. */
interface Found {
  readonly net: Net;
  readonly trained: Trained[];
  readonly test: number[];
  readonly upright: number[];
  /** Of nets that choose. */
  readonly dealt: number[];
  readonly constant: number[];
  readonly chosen: (readonly Chosen[])[];
}

async function findOut(cx: Context, name: string, net: Net, data: Warped): Promise<Found> {
  const found: Found = { net, trained: [], test: [], upright: [], dealt: [], constant: [], chosen: [] };
  for (const seed of cx.seeds) {
    const id = name.replaceAll(/[^\w.]+/g, '-');
    const trained = await learn(cx, id, net, data, seed);
    found.trained.push(trained);
    found.test.push(await accuracyOn(cx, `${id}-${seed}: test`, trained, data.test));
    found.upright.push(await accuracyOn(cx, `${id}-${seed}: upright test`, trained, data.upright));
    if (!(name in contests)) continue;
    found.chosen.push(await choicesOn(cx, `${id}-${seed}: choices`, trained, data.test));
    const blind = await blindOn(cx, `${id}-${seed}`, trained, data);
    found.dealt.push(blind.dealt);
    found.constant.push(blind.constant);
  }
  return found;
}

const apart = (a: readonly number[], b: readonly number[]) => stat(a.map((v, i) => v - b[i]!));

function row(
  name: string,
  role: Role,
  { net }: Pick<Found, 'net'>,
  accuracy: readonly number[],
  time?: Times,
): Contender {
  return {
    ...{ name, role, accuracy: stat(accuracy), macs: stat([macsAlone(net)]) },
    ...(time && { ms1: stat([time.one.median]), ms64: stat([time.many.mean]), p95: stat([time.one.p95]) }),
  };
}

/** The rows of a net that chooses: itself, and what it is worth when its choices do not look. */
function rows(name: string, found: Found, time: Times): Contender[] {
  const dynamic = found.chosen.every((c) => movementOf(c).moves);
  const own = row(
    dynamic ? name : `${name} [static: its choices do not move]`,
    dynamic ? 'dynamic' : 'constant',
    found,
    found.test,
    time,
  );
  const inBatches = macsInBatches(found.net);
  return [
    inBatches > macsAlone(found.net) ? { ...own, note: `${million(inBatches)} MACs in batches` } : own,
    row(`${name}, choices of another image`, 'random', found, found.dealt),
    row(`${name}, mean choices for all`, 'constant', found, found.constant),
  ];
}

/** How far the choices of a net move, over seeds. */
function movements(name: string, { chosen }: Found): Figure[] {
  const all = chosen.map(movementOf);
  const figure = (what: string, f: (m: Movement) => number | undefined): Figure[] => {
    const values = all.flatMap((m) => f(m) ?? []);
    return values.length > 0 ? [{ name: `${name}: ${what}`, value: stat(values), unit: '' }] : [];
  };
  return [
    ...figure("deviation of a kernel's weight across images, 0 to 1", (m) => m.kernels?.sd),
    ...figure('entropy of the mean mixture, bits', (m) => m.kernels?.ofMean),
    ...figure('mean entropy of a mixture, bits', (m) => m.kernels?.mean),
    ...figure('mean size of an offset, pixels at 8x8', (m) => m.places?.size),
    ...figure('deviation of an offset across images, pixels', (m) => m.places?.sd),
    ...figure('deviation of a modulation across images, 0 to 2', (m) => m.places?.modulation),
  ];
}

async function run(cx: Context): Promise<Findings> {
  const data = warpedSplits(cx, await cifarSplits(cx));
  const { plains, contests: held } = line(cx, data);
  const found = new Map<string, Found>();
  for (const [name, net] of plains) found.set(name, await findOut(cx, name, net, data));
  for (const [name, { net }] of held) found.set(name, await findOut(cx, name, net, data));
  const times = await timesOn(
    cx,
    Object.fromEntries([...found].map(([name, { trained }]) => [name, trained[0]!])),
    data.test,
  );
  const of = (name: string) => found.get(name)!;
  const gains = [...held].flatMap(([name, { parameters, macs }]): Figure[] => {
    const own = of(name);
    const over = (what: string, others: readonly number[], note?: string): Figure => ({
      ...{ name: `${name}: ${what}`, value: apart(own.test, others), unit: 'points' },
      ...(note === undefined ? {} : { note }),
    });
    const ratio = (what: string, f: (of: string) => number): Figure => ({
      ...{ name: `${name}: ${what}`, value: stat([f(name) / f('plain')]), unit: 'x' },
    });
    return [
      over('above plain at equal parameters', of(parameters).test, parameters),
      over('above plain at equal MACs', of(macs).test, macs),
      over('above the plain net it is made of', of('plain').test),
      over('above its choices dealt to other images', own.dealt),
      over('above its mean choices for all', own.constant),
      ratio('MACs of one image over plain', (n) => macsAlone(of(n).net)),
      ratio('MACs in batches over plain', (n) => macsInBatches(of(n).net)),
      ratio('time of one image over plain', (n) => times[n]!.one.median),
      ratio('time in batches of 64 over plain', (n) => times[n]!.many.mean),
    ];
  });
  const clockOf = (what: keyof Times) => times.deformable![what].mean / times.plain![what].mean;
  const sameMacs = new Set([...held.values()].map((c) => c.macs));
  return {
    data: data.told,
    headline: [
      'deformable: above plain at equal parameters',
      'deformable: above plain at equal MACs',
      'both: above plain at equal MACs',
    ],
    contenders: [
      ...[...plains.keys()].map((name) =>
        row(name, sameMacs.has(name) ? 'same-macs' : 'static', of(name), of(name).test, times[name]),
      ),
      ...[...held.keys()].flatMap((name) => rows(name, of(name), times[name]!)),
    ],
    figures: [
      ...gains,
      ...[...held.keys()].flatMap((name) => movements(name, of(name))),
      ...[...found].map(
        ([name, { upright }]): Figure => ({ name: `upright test images: ${name}`, value: stat(upright), unit: '%' }),
      ),
    ],
    spread: [...held.keys()]
      .filter((name) => contests[name]!.mixture)
      .map((name) => {
        const { chosen } = of(name);
        return {
          ...strongestOf(chosen[0]!),
          name: `${name}, the kernel that weighs most`,
          dynamic: chosen.every((c) => movementOf(c).moves),
        };
      }),
    curve: [...found].map(([name, { net, test }]) => ({
      series: plains.has(name) ? 'plain' : name,
      macs: macsAlone(net),
      accuracy: mean(test),
    })),
    notes: [
      `Parameters: ${['plain', ...held.keys()].map((name) => `${name} ${million(parameterCount(of(name).net), 3)}`).join('; ')}.`,
      'All nets are trained from scratch alike. A plain net that is compared has no fewer parameters, or MACs, than what it is compared with, and at most an eighth more.',
      'MACs and times of one image: kernels are mixed first, then used once; in batches all four are used. A bilinear read counts as 8 MACs for each value.',
      `On the clock deformable sampling takes ${clockOf('one').toFixed(2)}x the time of plain for one image and ${clockOf('many').toFixed(2)}x in batches of 64, for ${(macsAlone(of('deformable').net) / macsAlone(of('plain').net)).toFixed(2)}x its MACs.`,
      'Choices of another image: the weights of kernels, offsets and modulations that the mirror image in the batch asked for. Mean choices: those of the tune split, for all inputs and positions, statistics measured anew.',
      'Times are of the nets of the first seed.',
    ],
  };
}

export const deformable: Works = {
  id: 'deformable',
  title: 'Dynamic residual blocks, deformable kernels',
  claim: '+2.1 points',
  builds: 'bilinear-sampled, modulated deformable convolution; input-conditioned kernel mixture',
  anchors: 'DCNv2-v4, CondConv, DyConv',
  metric: 'accuracy at equal parameters and at equal MACs on rotated and scaled images',
  state: 'works',
  run,
};
