// npm run bench -- decisions
// What the clock keeps of each decision's skipping: the time of the taken paths, each compiled gate-free, over the measured
// time of the dynamic file, for one input and in batches of 64. Random weights; thresholds split inputs evenly.
// DYNANEURAL_BENCH_SCALE shortens (0.1) or lengthens it.
import { cases } from './decisions/cases.ts';
import { BATCH, type Measured, measured, type Side } from './decisions/measure.ts';
import { WANTED } from './decisions/wanted.ts';
import { writeResult } from './results.ts';

const scale = Number(process.env.DYNANEURAL_BENCH_SCALE ?? 1);
const rounds = { one: Math.max(2, Math.round(6 * scale)), many: Math.max(3, Math.round(16 * scale)) };

const what =
  `realisation: time of what each input's path would take compiled gate-free, over the measured time of the dynamic
file (wanted: ${WANTED}). speedup: the plain net without the mechanism over the dynamic file, by the clock; macSpeedup: by
multiply-accumulates. worth: the time of what the decision guards over its own time, both measured (guarded MACs at the plain
net's speed; the dynamic file where all inputs go the full path, minus the plain net); planned: the same by the planner's model. spent: what one run of the dynamic file for
one input spends its time on. reachedFrom: the smallest size from which on the realisation is as wanted; breakEven: the
smallest one at which the dynamic file is faster than the plain net. Shares are forced by thresholds at the middle score; units
kept: half.`.replaceAll('\n', ' ');

/** The smallest size from which on something holds; null where it does not hold at the largest. */
function from(sizes: readonly Measured[], holds: (s: Measured) => boolean): number | null {
  let found: number | null = null;
  for (const s of sizes) found = holds(s) ? (found ?? s.size) : null;
  return found;
}

export async function run(): Promise<void> {
  const started = performance.now();
  const wanted = process.env.DYNANEURAL_BENCH_ONLY;
  const rows: Record<string, unknown>[] = [];
  for (const one of cases.filter((c) => !wanted || c.name.includes(wanted))) {
    const sizes: Measured[] = [];
    for (const size of one.sizes) {
      const result = await measured(one, size, rounds);
      sizes.push(result);
      const { one: a, batch: b } = result;
      console.log(
        `${one.name.padEnd(30)} ${String(size).padStart(4)}  one: realisation ${a.realisation}, ${a.speedup}x, worth ${a.worth}   batch: ${b.realisation}, ${b.speedup}x, worth ${b.worth}`,
      );
    }
    const both = (f: (side: Side) => boolean) => ({
      one: from(sizes, (s) => f(s.one)),
      batch: from(sizes, (s) => f(s.batch)),
    });
    const reachedFrom = both((side) => side.realisation >= WANTED);
    rows.push({
      ...{
        decision: one.name,
        kind: one.kind,
        unit: one.unit,
        reachedFrom,
        breakEven: both((side) => side.speedup > 1),
      },
      ...((reachedFrom.one && reachedFrom.batch) || !one.why ? {} : { why: one.why }),
      sizes,
    });
  }
  console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`);
  if (wanted) return;
  const shortened = scale === 1 ? '' : `DYNANEURAL_BENCH_SCALE=${scale} `;
  await writeResult('decisions', `${shortened}npm run bench -- decisions`, {
    what,
    rounds,
    batch: BATCH,
    threads: 1,
    decisions: rows,
  });
}
