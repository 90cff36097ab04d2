import { type BudgetOptions, type LoadedModel, load, toBytes } from '../deploy/index.ts';
import { median, quantile, trimmedMean } from '../deploy/robust.ts';
import { amongPeers, answerNames, cut, decisionsOf, fullThresholds, isExit, type Model } from '../dynamic/index.ts';
import type { NDArray } from '../graph/index.ts';
import type { SessionOptions } from '../runtime/index.ts';

/** One image or one batch, timed in several ways; milliseconds of the engine for the whole batch. */
export interface Timed {
  readonly batch: number;
  readonly rounds: number;
  /** For one image: the median of each path, weighted by how often it was taken. For a batch: the mean without the outer tenths. */
  readonly dynamic: number;
  readonly dynamicP95: number;
  /** The same file on its full path: nobody exits, nothing is left out. */
  readonly nobodyExits: number;
  /** The full path, gate-free; null where only the file is known, or where peers leave no path the full one. */
  readonly full: number | null;
  /** The full path (gate-free, else nobody exiting) over dynamic. */
  readonly speedup: number;
  /** How many times fewer MACs than the full path. */
  readonly macSpeedup: number;
  /** What the taken paths cost, each gate-free, over dynamic; null where only the file is known, or decides on more than exits. */
  readonly realisation: number | null;
  /** Share of the images that left at each exit. */
  readonly exits: Readonly<Record<string, number>>;
}

/** The net cut gate-free at each of its answers, in order, the full path last; none where there is no full path. Close them. */
export async function openCuts(
  { net, weights, classes, preprocessing }: Model,
  session: SessionOptions,
): Promise<LoadedModel[]> {
  const decisions = decisionsOf(net);
  if (decisions.some(amongPeers)) return [];
  const exits = decisions.filter(isExit);
  const nets = [...exits.map(({ name }) => cut(net, { [name]: 'exit' })), cut(net)];
  return Promise.all(nets.map((n) => load(toBytes({ net: n, weights, classes, preprocessing }), { session })));
}

export interface TimingOptions {
  readonly batch: number;
  readonly rounds: number;
  /** Items `from` to `from + n`; must wrap around by itself. */
  readonly images: (from: number, n: number) => NDArray;
  readonly setting: BudgetOptions;
  /** See `openCuts`; without them only the file is timed. */
  readonly cuts?: readonly LoadedModel[];
  readonly onRound?: (round: number) => void;
}

const WARM_UP = 10;

/** Times a model against its own full path, interleaved in one process so that drift of the machine falls on all alike. */
export async function timed(model: LoadedModel, options: TimingOptions): Promise<Timed> {
  const { batch, rounds, images, setting, cuts = [], onRound } = options;
  const { decisions, fullMacs } = model.card;
  const names = answerNames(decisions);
  const never = fullThresholds(decisions);
  const contenders = [
    (x: NDArray) => model.run(x, setting),
    (x: NDArray) => model.run(x, { thresholds: never }),
    ...cuts.map((c) => (x: NDArray) => c.run(x)),
  ];
  const times = contenders.map((): number[] => []);
  const paths: string[] = [];
  const left = new Map(names.map((name) => [name, 0]));
  let macs = 0;
  for (let round = -WARM_UP; round < rounds; round++) {
    const x = images(Math.max(0, round) * batch, batch);
    for (let k = 0; k < contenders.length; k++) {
      const at = (k + Math.abs(round)) % contenders.length;
      const { ms, answers, trace } = await contenders[at]!(x);
      if (round < 0) continue;
      times[at]!.push(ms);
      if (at > 0) continue;
      paths.push(answers[0]!.exit);
      for (const { exit } of answers) left.set(exit, left.get(exit)! + 1);
      for (const t of trace) macs += t.macs;
    }
    if (round >= 0) onRound?.(round + 1);
  }
  const n = rounds * batch;
  const shares = names.map((name) => left.get(name)! / n);
  const onPath = [...new Set(paths)].map((path) => times[0]!.filter((_, i) => paths[i] === path));
  const dynamic =
    batch === 1 ? onPath.reduce((sum, own) => sum + (own.length / rounds) * median(own), 0) : trimmedMean(times[0]!); // batches differ in who exits: a median would hide the slow ones
  const [nobodyExits = 0, ...gateFree] = times.slice(1).map(median);
  const full = gateFree.at(-1) ?? null;
  return {
    batch,
    rounds,
    dynamic,
    dynamicP95: quantile(times[0]!, 0.95),
    nobodyExits,
    full,
    speedup: (full ?? nobodyExits) / dynamic,
    macSpeedup: (fullMacs * n) / macs,
    realisation:
      full === null || !decisions.every(isExit)
        ? null
        : shares.reduce((sum, s, i) => sum + s * gateFree[i]!, 0) / dynamic,
    exits: Object.fromEntries(names.map((name, i) => [name, shares[i]!])),
  };
}
