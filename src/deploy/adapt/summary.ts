import type { Claim, Referred } from './claim.ts';
import type { Compared } from './compare.ts';
import type { Expected, TimeShares } from './expected.ts';
import type { Foreign } from './foreign.ts';
import type { AdaptOptions, Way } from './options.ts';
import type { Place } from './plan.ts';
import type { Times } from './times.ts';

export interface AdaptSummary {
  /** True where no faster point could be certified, or none that saves time beyond noise: `bytes` are the original's then. */
  readonly fullModelKept: boolean;
  readonly way: Way;
  /** The certificate's sentence, or why the full model was kept. */
  readonly message: string;
  readonly claim: Claim;
  /** How many images each part had; for the heads, how many views. */
  readonly sizes: { readonly heads: number; readonly tune: number; readonly certify: number };
  /** MACs for one image: the original's, and the mean at the chosen point on the certify part (heads included). */
  readonly originalMacs: number;
  readonly meanMacs: number;
  /** Its mean time there as a share of the original's, by batch size, as the times of its parts promise; absent by MACs. */
  readonly meanTimes?: TimeShares;
  /** The same of the finished file, as measured beside the original; absent where `machine` says what things take. */
  readonly fileTimes?: TimeShares;
  /** Disagreement (or harm, or loss) that was seen on the certify part; absent where the full model was kept. */
  readonly seen?: number;
  /** Where inputs leave, by exit, "final" last. */
  readonly exits: Readonly<Record<string, number>>;
  readonly selectedBy: 'time' | 'macs';
  /** What the tune part promised for each way that was tried; the first of the best was certified. */
  readonly tried: Readonly<Partial<Record<Way, Expected>>>;
  /** What each exit that was tried saves and costs alone, where the choice went by time. */
  readonly exitTimes?: Readonly<Record<string, readonly Times[]>>;
  readonly notes: readonly string[];
  readonly test?: Compared;
}

/** A claim in words, with all that decides what is put to the test. */
export function claimText({ risk, epsilon, delta }: Claim, options: AdaptOptions): string {
  const { tune, skips, seed, budget, exits, exitAt, epochs, views, selectBy } = options;
  const decides = Object.entries({ tune, skips, seed, budget, exits, exitAt, epochs, views, selectBy }).flatMap(
    ([name, value]) => (value === undefined || value === false ? [] : [`${name} ${JSON.stringify(value)}`]),
  );
  return [`${risk} <= ${percent(epsilon)} at delta ${delta}`, ...decides].join(', ');
}

/** From this share of one answer on, images are hardly typical. */
const MOSTLY = 0.9;

export function mostlyOne({ reference }: Referred, { classes }: Pick<Foreign, 'classes'>): string[] {
  const counts = classes.map((_, k) => reference.filter((a) => a === k).length);
  const most = counts.indexOf(Math.max(...counts));
  const share = counts[most]! / reference.length;
  return share >= MOSTLY
    ? [`the model answers ${percent(share)} of the images with "${classes[most]}": the bound is for such images only`]
    : [];
}

export const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

export function notesOn(exits: readonly Place[]): string[] {
  return exits
    .filter((e) => e.ratio < 20)
    .map(
      (e) =>
        `an exit at "${e.name}" saves about ${e.ratio.toFixed(1)} times what asking costs everyone (20 times is wanted): the model is small, so time may gain less than MACs`,
    );
}
