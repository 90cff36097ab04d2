import type { Measured } from '../deploy/measure.ts';
import { answerNames, type CertifiedModel, decisionsOf, exitCosts } from '../dynamic/index.ts';
import { commit } from '../provenance.ts';
import type { Summary } from '../report/index.ts';
import { type Baselines, baselinesOf } from './baselines.ts';
import type { FileRun } from './inspect.ts';
import type { Splits } from './splits.ts';

/** A demo that was played to its end. */
export interface Played {
  readonly splits: Splits;
  readonly seed: number;
  readonly quick: boolean;
  /** The folder that its files went to. */
  readonly out: string;
  readonly certified: CertifiedModel;
  readonly training: Summary['training'];
  readonly run: FileRun;
  /** Of the net's last answer. */
  readonly fullAccuracy: number;
  readonly measured: Measured;
  readonly machine: string;
}

/** All figures of a demo, with what they were measured on and the command that makes them again. */
export function summarise({
  splits,
  seed,
  quick,
  out,
  certified,
  training,
  run,
  fullAccuracy,
  measured,
  machine,
}: Played): Summary {
  const baselines = baselinesOf(splits.name);
  const macs = exitCosts(certified.net).at(-1)!;
  const names = answerNames(decisionsOf(certified.net));
  const { risk, method, epsilon, delta, n } = certified.certificate;
  const accuracyAt = (e: number) => {
    const left = Array.from(run.paths.keys()).filter((i) => run.paths[i] === e);
    return left.filter((i) => run.answers[i] === splits.test.labels[i]).length / left.length;
  };
  return {
    dataset: splits.name,
    seed,
    machine,
    commit: commit(),
    command: `npm run demo -- --data ${splits.name} --seed ${seed}${quick ? ' --quick' : ''} --out ${out}`,
    full: { accuracy: fullAccuracy, macs, ...measured.full },
    static: { accuracy: baselines?.static.accuracy ?? null, macs, ...measured.static },
    dynamic: { accuracy: run.accuracy, macs: run.macs, ...measured.dynamic },
    speedup1: measured.static.ms1 / measured.dynamic.ms1,
    speedup64: measured.static.ms64 / measured.dynamic.ms64,
    macSpeedup: macs / run.macs,
    realisation1: measured.realisation1,
    realisation64: measured.realisation64,
    realisation1Warm: measured.realisation1Warm,
    exits: names.map((name, e) => ({
      name,
      share: run.paths.filter((p) => p === e).length / run.paths.length,
      accuracy: accuracyAt(e),
    })),
    certificate: { risk, method, epsilon, delta, n },
    training,
    baseline: { sameMacs: baselines ? { ...baselines.sameMacs } : { accuracy: null, macs: null } },
    notes: notesOn(baselines, quick),
  };
}

const notesOn = (baselines: Baselines | undefined, quick: boolean): string[] => [
  'Times were taken in turns in one process, with one thread: medians for one image, means without the outer tenths for batches. Speed-ups are static over dynamic.',
  'Realisation for one image compares with gate-free cuts on the same stream, each image by the cut of its path, so that late weights are as cold for them; realisation1Warm compares with cuts that run alone.',
  baselines
    ? `The accuracies of "static" and "sameMacs" come from results/baselines.json, made by \`${baselines.command}\` (commit ${baselines.commit}, ${baselines.epochs} epochs, seed ${baselines.seed}); the time of "static" is that of the full cut, which has its architecture, taken here.`
    : 'No committed baselines for this data set: the accuracies of "static" and "sameMacs" are missing; `npm run bench` makes them.',
  ...(quick ? ['QUICK form: little data and one epoch; the figures prove only that the road is whole.'] : []),
];
