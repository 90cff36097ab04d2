import { resolve } from 'node:path';
import { save } from '../../deploy/index.ts';
import { answerNames, certify as certifyModel, decisionsOf, type Risk } from '../../dynamic/index.ts';
import { DynaError } from '../../errors.ts';
import { stages } from '../../progress.ts';
import { certificateText } from '../certificate-text.ts';
import { saveCertified } from '../certified.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { percent, whole } from '../format.ts';
import { filesOf, openRun, runParts } from '../run-folder.ts';

export interface CertifyOptions extends CommonOptions {
  readonly harm?: number;
  readonly loss?: number;
  readonly disagreement?: number;
  readonly delta: number;
  readonly threads?: number;
}

const risks: readonly Risk[] = ['harm', 'loss', 'disagreement'];

/** The one risk that was asked for; harm <= 0.5 % where none was. */
function claim(options: CertifyOptions): { risk: Risk; epsilon: number } {
  const given = risks.filter((risk) => options[risk] !== undefined);
  if (given.length > 1)
    throw new DynaError('usage', `one certificate bounds one risk, got ${given.map((g) => `--${g}`).join(' and ')}`, {
      fix: 'choose one before you look at the data',
    });
  const risk = given[0] ?? 'harm';
  return { risk, epsilon: options[risk] ?? 0.005 };
}

/** Certifies a run and writes its model.onnx; "full model kept" is a result, not a failure. */
export async function certify(folder: string, options: CertifyOptions, cx: Context): Promise<Outcome> {
  const { risk, epsilon } = claim(options);
  const { delta } = options;
  const run = await openRun(folder);
  const { tune, certify: data } = await runParts(run.record, cx);
  const model = await certifyModel(run.trained, {
    tune,
    data,
    risk,
    epsilon,
    delta,
    ...(options.threads ? { session: { intraOpNumThreads: options.threads } } : {}),
    onProgress: stages(cx.progress),
  });
  cx.progress.stop();
  const { model: file } = filesOf(folder);
  await saveCertified(run, model);
  await save(model, file);
  const { certificate: c, chosen, points } = model;
  return {
    json: {
      file: resolve(file),
      risk,
      epsilon,
      delta,
      n: c.n,
      method: c.method,
      fullModelKept: c.fullModelKept,
      message: c.message,
      certifiedPoints: points.filter((p) => p.certified).length,
      chosen: { index: points.indexOf(chosen), ...chosen },
      needs: c.needs,
      hash: model.hash,
    },
    text: [
      ...certificateText(c),
      ...(c.fullModelKept
        ? []
        : [
            `Chosen point: ${percent(chosen.budget)} of the full model's MACs, observed ${risk} ${percent(chosen.risk, 2)}.`,
            `Leaves at: ${answerNames(decisionsOf(model.net))
              .map((name, i) => `${name} ${percent(chosen.shares[i])}`)
              .join(', ')}.`,
          ]),
      `Tuned on ${whole(tune.length)} inputs, certified on ${whole(data.length)} others. Written: ${file}`,
    ],
  };
}
