import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { save } from '../../deploy/index.ts';
import { DynaError } from '../../errors.ts';
import { decisionGradient } from '../../explain/index.ts';
import { writeAtomic } from '../../files.ts';
import { isCertified, openModel } from '../certified.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { bytes } from '../format.ts';
import { openRun } from '../run-folder.ts';

export interface ExportOptions extends CommonOptions {
  readonly out: string;
  readonly form: 'rows' | 'branch';
  readonly views: 'copies' | 'slices';
  /** Where the gradient graphs of its decisions go. */
  readonly saliency?: string;
}

/** Writes the certified model of a run (else the trained one) as one ONNX file. */
export async function exportRun(
  folder: string,
  { out, form, views, saliency }: ExportOptions,
  cx: Context,
): Promise<Outcome> {
  if (saliency !== undefined && resolve(saliency) === resolve(out))
    throw new DynaError('usage', `--out and --saliency are one file, ${out}`, { fix: 'give each its own' });
  const model = await openModel(await openRun(folder));
  const certified = isCertified(model);
  if (!certified)
    cx.note(`nothing is certified in ${folder}, so the file takes no exits by itself: dyna certify ${folder}`);
  await save(model, out, { form, views });
  const gradient = saliency === undefined ? undefined : decisionGradient(model);
  if (saliency !== undefined) await writeAtomic(saliency, gradient!.bytes);
  const { size } = await stat(out);
  return {
    json: {
      ...{ file: resolve(out), bytes: size, form, certified },
      ...(gradient ? { saliency: { file: resolve(saliency!), targets: gradient.targets, flat: gradient.flat } } : {}),
    },
    text: [
      `${out}: ${bytes(size)}, form "${form}", ${certified ? 'with its certificate' : 'not certified'}`,
      ...(gradient
        ? [
            `${saliency}: ${bytes(gradient.bytes.length)}, gradients of ${gradient.targets.map((t) => t.saliency).join(', ')}`,
          ]
        : []),
    ],
  };
}
