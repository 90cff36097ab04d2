import { type Dataset, takeBatch } from '../data/index.ts';
import type { LoadedModel } from '../deploy/index.ts';
import {
  type CertifiedModel,
  confidenceAt,
  exitCosts,
  exitsTaken,
  type Observations,
  type Point,
} from '../dynamic/index.ts';
import { sizeOf } from '../graph/index.ts';
import type { CurvePoint, Example, ExitReport } from '../report/index.ts';

/** What the shipped file did on a data set. */
export interface FileRun {
  readonly answers: Int32Array;
  /** Which answer each input left at; the full path is the last. */
  readonly paths: Int32Array;
  readonly confidence: Float32Array;
  readonly accuracy: number;
  /** Mean MACs of an input. */
  readonly macs: number;
}

/** Runs the shipped file over a data set, in batches. */
export async function runFile(
  model: LoadedModel,
  data: Dataset,
  exits: readonly string[],
  onProgress: (done: number) => void,
): Promise<FileRun> {
  const n = data.length;
  const answers = new Int32Array(n);
  const paths = new Int32Array(n);
  const confidence = new Float32Array(n);
  let right = 0;
  let macs = 0;
  for (let start = 0; start < n; start += 256) {
    const count = Math.min(256, n - start);
    const { x } = takeBatch(
      data,
      Array.from({ length: count }, (_, i) => start + i),
    );
    const { answers: given, trace } = await model.run(x);
    for (let i = 0; i < count; i++) {
      const a = given[i]!;
      answers[start + i] = a.index;
      confidence[start + i] = a.confidence;
      const at = exits.indexOf(a.exit);
      paths[start + i] = at < 0 ? exits.length : at;
      if (a.index === data.labels[start + i]) right++;
      macs += trace[i]!.macs;
    }
    onProgress(start + count);
  }
  return { answers, paths, confidence, accuracy: right / n, macs: macs / n };
}

/** Share of right answers of answer `column`, over all inputs. */
export function accuracyOf(seen: Observations, column: number): number {
  const width = seen.names.length;
  let right = 0;
  for (let i = 0; i < seen.n; i++) if (seen.answers[i * width + column] === seen.labels[i]) right++;
  return right / seen.n;
}

/** Every operating point, certified or not, on the test split; times are the measured paths', weighted. */
export function curveOf(model: CertifiedModel, seen: Observations, pathMs: readonly number[]): CurvePoint[] {
  const costs = exitCosts(model.net);
  const width = seen.names.length;
  return model.points.map((point: Point): CurvePoint => {
    const taken = exitsTaken(
      seen.scores,
      seen.decisions.map((d) => point.thresholds[d] as number),
    );
    const counts = new Array<number>(width).fill(0);
    let right = 0;
    for (let i = 0; i < seen.n; i++) {
      counts[taken[i]!]!++;
      if (seen.answers[i * width + taken[i]!] === seen.labels[i]) right++;
    }
    const shares = counts.map((c) => c / seen.n);
    const mean = (values: readonly number[]) => shares.reduce((sum, s, e) => sum + s * values[e]!, 0);
    return {
      budget: mean(costs) / costs.at(-1)!,
      accuracy: right / seen.n,
      macs: mean(costs),
      ms1: mean(pathMs),
      shares,
      certified: point.certified,
      chosen: point === model.chosen,
    };
  });
}

const BINS = 20;
const SHOWN = 12;

/** What happened at each exit: shares, accuracy, examples and the spread of calibrated confidence. */
export function exitReports(model: CertifiedModel, seen: Observations, run: FileRun, data: Dataset): ExitReport[] {
  const size = sizeOf(data.shape);
  const classes = model.classes.length;
  const example = (i: number): Example => ({
    pixels: Uint8Array.from(data.inputs.subarray(i * size, (i + 1) * size)),
    label: model.classes[data.labels[i]!]!,
    answer: model.classes[run.answers[i]!]!,
    confidence: run.confidence[i]!,
  });
  return seen.names.map((name, e): ExitReport => {
    const left = Array.from({ length: data.length }, (_, i) => i).filter((i) => run.paths[i] === e);
    const sorted = [...left].sort((a, b) => run.confidence[b]! - run.confidence[a]!);
    const histogram = { right: new Array<number>(BINS).fill(0), wrong: new Array<number>(BINS).fill(0) };
    const temperature = Number(model.weights.get(`${name}/temperature`)?.data[0] ?? 1);
    for (let i = 0; i < seen.n; i++) {
      if (run.paths[i]! < e) continue;
      const logits = seen.logits[e]!;
      const confidence = confidenceAt(logits, i * classes, classes, temperature);
      const right = seen.answers[i * seen.names.length + e] === seen.labels[i];
      histogram[right ? 'right' : 'wrong'][Math.min(BINS - 1, Math.floor(BINS * confidence))]!++;
    }
    return {
      name,
      share: left.length / data.length,
      accuracy: left.filter((i) => run.answers[i] === data.labels[i]).length / left.length,
      easiest: sorted.slice(0, SHOWN).map(example),
      hardest: sorted.slice(-SHOWN).reverse().map(example),
      histogram,
    };
  });
}
