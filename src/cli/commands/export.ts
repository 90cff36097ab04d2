import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { save } from '../../deploy/index.ts';
import { isCertified, openModel } from '../certified.ts';
import type { CommonOptions, Context, Outcome } from '../context.ts';
import { bytes } from '../format.ts';
import { openRun } from '../run-folder.ts';

export interface ExportOptions extends CommonOptions {
  readonly out: string;
  readonly form: 'rows' | 'branch';
}

/** Writes the certified model of a run (else the trained one) as one ONNX file. */
export async function exportRun(folder: string, { out, form }: ExportOptions, cx: Context): Promise<Outcome> {
  const model = await openModel(await openRun(folder));
  const certified = isCertified(model);
  if (!certified)
    cx.note(`nothing is certified in ${folder}, so the file takes no exits by itself: dyna certify ${folder}`);
  await save(model, out, { form });
  const { size } = await stat(out);
  return {
    json: { file: resolve(out), bytes: size, form, certified },
    text: [`${out}: ${bytes(size)}, form "${form}", ${certified ? 'with its certificate' : 'not certified'}`],
  };
}
