import { DynaError } from '../../errors.ts';
import { commit, machine } from '../../provenance.ts';
import { TrainingStopped } from '../../train/index.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { Interrupted } from '../exit.ts';
import { type GalleryOptions, openGallery } from '../gallery.ts';

export interface SystemOptions extends CommonOptions {
  readonly quick?: boolean;
  /** 3, or 1 in the quick form. */
  readonly seeds?: number;
  readonly threads?: number;
  readonly out: string;
  readonly results: string;
}

/** The name under which the trainings that all systems share are run alone. */
const SHARED = 'backbone';

/** Runs one system of the gallery; what is done is kept, so that an interrupted run goes on where it was. */
export async function system(id: string, options: SystemOptions, cx: Context): Promise<Outcome> {
  const gallery = await openGallery();
  const found = gallery.systems.find((s) => s.id === id);
  if (id !== SHARED && found?.state !== 'works') {
    const known = gallery.systems.filter((s) => s.state === 'works').map((s) => s.id);
    throw new DynaError(
      'usage',
      `${found ? `the system "${id}" is planned and cannot be run yet` : `there is no system "${id}"`}; those that run are ${[...known, SHARED].join(', ')}`,
      { fix: 'dyna systems lists all' },
    );
  }
  const given: GalleryOptions = {
    quick: options.quick ?? false,
    seeds: options.seeds ?? (options.quick ? 1 : 3),
    out: options.out,
    results: options.results,
    machine: await machine(),
    commit: commit(),
    progress: cx.progress,
    note: cx.note,
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    signal: cx.interruptible('Stopping after this step; press Ctrl-C again to stop at once.'),
  };
  try {
    if (found) {
      const { result, files } = await gallery.runSystem(found, given);
      return { json: result, text: [...gallery.resultText(result), '', ...files] };
    }
    const { accuracy, seconds, folder } = await gallery.trainShared(given);
    return {
      json: { accuracy, seconds, folder },
      text: [
        `The backbone is in ${folder}: ${(100 * accuracy).toFixed(2)} % on its training data, ${Math.round(seconds)} s.`,
      ],
    };
  } catch (error) {
    const stopped = error instanceof TrainingStopped && error.reason === 'interrupted';
    if (!stopped && !(error instanceof Interrupted)) throw error;
    cx.progress.stop();
    throw new Interrupted('the system was stopped; what is done is kept, the same command goes on from there');
  }
}
