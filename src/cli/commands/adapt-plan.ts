import { describeSkip, type ExitPlan, type SkipPlace } from '../../deploy/adapt/index.ts';
import { table } from '../../table.ts';
import type { Outcome } from '../context.ts';
import { count, percent } from '../format.ts';

/** A plan for programs. */
export const planJson = ({ places, exits, macs }: ExitPlan, skips: readonly SkipPlace[] = []) => ({
  macs,
  places: places.map((p) => ({
    name: p.name,
    shape: p.shape,
    share: p.share,
    headMacs: p.head.macs,
    ratio: p.ratio,
    exit: exits.includes(p),
  })),
  skips: skips.map(({ name, blocks, share, ratio }) => ({ name, blocks, share, ratio })),
});

/** The places of a plan, as a table. */
export function planTable({ places, exits, macs }: ExitPlan): string[] {
  const rows = places.map((p) => [
    p.name,
    p.shape.join(' x '),
    percent(p.share),
    count(p.head.macs),
    `${p.ratio.toFixed(1)} x`,
    exits.includes(p) ? `exit${exits.indexOf(p) + 1}` : '',
  ]);
  return [
    `Places for exits (the whole model takes ${count(macs)} MACs):`,
    ...table([['after node', 'features', 'MACs before', 'head MACs', 'saves / costs', ''], ...rows], { left: [0, 5] }),
  ];
}

/** What `--plan` gives. */
export const planOutcome = (plan: ExitPlan, skips: readonly SkipPlace[]): Outcome => ({
  json: planJson(plan, skips),
  text: [
    ...planTable(plan),
    'Choose others with --exit-at, by these names.',
    ...(skips.length > 0
      ? ['', 'Gates that --tune --skips tries too:', ...skips.map((s) => `  ${describeSkip(s)}`)]
      : ['', 'No residual block is large enough for a gate of its own.']),
  ],
});
