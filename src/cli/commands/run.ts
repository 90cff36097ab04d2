import { decodeImage } from '../../data/index.ts';
import { load, type ModelCard, type RunResult } from '../../deploy/index.ts';
import { DynaError } from '../../errors.ts';
import { table } from '../../table.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { count, milliseconds, percent } from '../format.ts';
import { naming, openSource } from '../source.ts';

export interface RunOptions extends CommonOptions {
  readonly budget?: number;
  readonly maxMacs?: number;
}

/** Classifies image files, one at a time, so that each gets its own time. */
export async function run(path: string, images: readonly string[], options: RunOptions, cx: Context): Promise<Outcome> {
  const { budget, maxMacs } = options;
  const setting = { ...(budget === undefined ? {} : { budget }), ...(maxMacs === undefined ? {} : { maxMacs }) };
  const { bytes } = await openSource(path);
  const model = await naming(path, () => load(bytes));
  try {
    const { card } = model;
    const decode = decoder(card);
    const { scale, mean, std } = card.preprocessing;
    if (scale === 1 && mean.every((m) => m === 0) && std.every((s) => s === 1))
      cx.note(`${path} does not say how pixels become its input: they are fed as they are, 0 to 255`);
    const results: Result[] = [];
    let point: RunResult['point'] | undefined;
    for (const file of images) {
      const { pixels, notes } = await decode(file);
      if (results.length === 0) await model.run(pixels, setting); // the first run of a session is slower than all others
      const result = await model.run(pixels, setting);
      point = result.point;
      for (const note of notes) cx.note(`${file}: ${note}`);
      results.push({ file, notes, ...facts(result, card) });
    }
    if (point?.note) cx.note(point.note);
    return { json: { model: path, point, fullMacs: card.fullMacs, results }, text: shown(results) };
  } finally {
    await model.close();
  }
}

interface Result extends ReturnType<typeof facts> {
  readonly file: string;
  readonly notes: readonly string[];
}

/** Brings images to what the model takes, and tells what had to be done. */
function decoder({ preprocessing: { shape } }: ModelCard) {
  const [channels, height, width] = shape;
  if (shape.length !== 3 || (channels !== 1 && channels !== 3))
    throw new DynaError('model', `the model takes inputs [${shape.join(', ')}], which are no images`);
  return async (file: string) => {
    const { pixels, changes } = await decodeImage(file, { channels, height: height!, width: width! });
    return { pixels, notes: changes.length ? [changes.map((c) => `${c.kind} (${c.detail})`).join(', ')] : [] };
  };
}

function facts({ answers, trace, ms }: RunResult, { fullMacs }: ModelCard) {
  const [answer] = answers;
  const [path] = trace;
  if (!answer || !path) throw new DynaError('model', 'the model is no classifier');
  return { ...answer, macs: path.macs, macShare: path.macs / fullMacs, ms, trace: path };
}

const shown = (results: readonly Result[]): string[] =>
  table(
    [
      ['image', 'class', 'confidence', 'exit', 'MACs', 'of full', 'time'],
      ...results.map((r) => [
        r.file,
        r.class,
        percent(r.confidence),
        r.exit,
        count(r.macs),
        percent(r.macShare),
        milliseconds(r.ms),
      ]),
    ],
    { left: [0, 1, 3], indent: 0 },
  );
