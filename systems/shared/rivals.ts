import type { Trained } from 'dynaneural';
import { untrained } from './backbone.ts';
import { type Against, staticRow } from './compare.ts';
import type { Context } from './context.ts';
import type { Splits } from './data.ts';
import { accuracyOf } from './evaluate.ts';
import { type Recipe, trainOnce } from './fit.ts';
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
  readonly facts: { readonly plain: Against; readonly same: Against };
  /** Their rows of the table, with times. */
  rows(times: readonly Timed[]): readonly Contender[];
}

/**
 * The backbone; the backbone tuned as the dynamic net was (what those epochs alone are worth); and
 * the smallest static net that costs no less than the dynamic nets do in the mean, trained as long as they were in all.
 *
 * @param tuned how the dynamic nets were tuned after the backbone; false where they were trained from nothing by its recipe
 */
export async function standing(
  cx: Context,
  { train, test }: Splits,
  plain: Trained,
  trials: readonly { readonly macs: number }[],
  tuned: Recipe | false = tuning,
): Promise<Rivals> {
  const mean = trials.reduce((sum, t) => sum + t.macs, 0) / trials.length;
  const shape = shapeAt(train, shapeOf(cx), mean);
  const longer = { ...recipe, epochs: recipe.epochs + (tuned ? tuned.epochs : 0) };
  const name = `static-${shape.groups.join('')}-${shape.widths.at(-1)}`;
  const from = { data: train, start: untrained(train, shape) };
  const same = await trainOnce(cx, name, plainNet(train, shape), quickly(cx, longer), from);
  const against = async (title: string, model: Weighted): Promise<Against> => ({
    accuracy: accuracyOf(await answersOf(cx, title, model, {}, test), test),
    macs: macsOf(model.net),
  });
  const facts = { plain: await against('static', plain), same: await against(name, same) };
  const furtherRow = async (how: Recipe): Promise<Contender> => {
    const start = { data: train, start: plain.weights };
    const trained = await trainOnce(cx, 'static-further', plain.net, quickly(cx, how), start);
    return staticRow('static, as many further epochs', 'static', await against('static, further epochs', trained));
  };
  const further = tuned ? [await furtherRow(tuned)] : [];
  return {
    plain,
    same,
    facts,
    rows: (times) => [
      staticRow(
        'static',
        'static',
        facts.plain,
        times.map((t) => t.static),
      ),
      ...further,
      staticRow(
        'smaller static net',
        'same-macs',
        facts.same,
        times.map((t) => t.same),
      ),
    ],
  };
}
