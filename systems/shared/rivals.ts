import type { Trained } from 'dynaneural';
import { untrained } from './backbone.ts';
import { type Against, type Facts, staticRow } from './compare.ts';
import type { Context } from './context.ts';
import type { Splits } from './data.ts';
import { accuracyOf } from './evaluate.ts';
import { trainOnce } from './fit.ts';
import { macsOf, plainNet, quickly, recipe, shapeAt, shapeOf, tuning } from './static.ts';
import type { Contender } from './system.ts';
import type { Timed } from './times.ts';
import { answersOf, type Weighted } from './trial.ts';

/** The static nets that a dynamic one is compared with. */
export interface Rivals {
  /** The same architecture, trained without decisions. */
  readonly plain: Weighted;
  /** With fewer and narrower blocks, at no fewer MACs than the dynamic net's mean. */
  readonly same: Weighted;
  readonly facts: Facts;
  /** Their rows of the table, with times. */
  rows(times: readonly Timed[]): readonly Contender[];
}

/**
 * The backbone; the backbone tuned as long as a dynamic net may be (gains are taken against the better of the two); and
 * the smallest static net that costs no less than the dynamic nets do in the mean, trained as long as they were in all.
 */
export async function standing(
  cx: Context,
  { train, test }: Splits,
  plain: Trained,
  trials: readonly { readonly macs: number }[],
): Promise<Rivals> {
  const mean = trials.reduce((sum, t) => sum + t.macs, 0) / trials.length;
  const shape = shapeAt(train, shapeOf(cx), mean);
  const longer = { ...recipe, epochs: recipe.epochs + tuning.epochs };
  const name = `static-${shape.groups.join('')}-${shape.widths.at(-1)}`;
  const from = { data: train, start: untrained(train, shape.widths[0]) };
  const same = await trainOnce(cx, name, plainNet(train, shape), quickly(cx, longer), from);
  const start = { data: train, start: plain.weights };
  const further = await trainOnce(cx, 'static-further', plain.net, quickly(cx, tuning), start);
  const against = async (title: string, model: Weighted): Promise<Against> => ({
    accuracy: accuracyOf(await answersOf(cx, title, model, {}, test), test),
    macs: macsOf(model.net),
  });
  const facts = {
    plain: await against('static', plain),
    further: await against('static, further epochs', further),
    same: await against(name, same),
  };
  const of = (side: 'static' | 'same', times: readonly Timed[]) => times.map((t) => t[side]);
  return {
    plain,
    same,
    facts,
    rows: (times) => [
      staticRow('static', 'static', facts.plain, of('static', times)),
      staticRow('static, as many further epochs', 'static', facts.further),
      staticRow('smaller static net', 'same-macs', facts.same, of('same', times)),
    ],
  };
}
