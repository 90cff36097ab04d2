import { bindingHash, type CertifiedModel, type Model } from '../dynamic/index.ts';
import { DynaError } from '../errors.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { exists, filesOf, type Run, readJson, requireFields, writeJson } from './run-folder.ts';

const SCHEMA = 1;

/** `certified.json`: what certifying adds to a trained net. With the trained weights it makes the certified model again. */
interface CertifiedRecord extends Pick<CertifiedModel, 'points' | 'certificate' | 'hash' | 'path'> {
  readonly schema: number;
  /** Index in `points`. */
  readonly chosen: number;
  /** Parameters that were fitted on the tune split (temperatures), by name. */
  readonly fitted: Readonly<Record<string, readonly number[]>>;
}

/** Keeps a certified model in its run folder. */
export async function saveCertified({ folder, trained }: Run, model: CertifiedModel): Promise<void> {
  const changed = [...model.weights].filter(([name, value]) => !sameValues(value, trained.weights.get(name)));
  const { points, certificate, hash, path } = model;
  const record: CertifiedRecord = {
    schema: SCHEMA,
    hash,
    chosen: points.indexOf(model.chosen),
    points,
    certificate,
    path,
    fitted: Object.fromEntries(changed.map(([name, { data }]) => [name, Array.from(data as Float32Array)])),
  };
  await writeJson(filesOf(folder).certified, record);
}

const sameValues = (a: NDArray, b: NDArray | undefined): boolean =>
  a === b || (b !== undefined && a.data.length === b.data.length && a.data.every((v, i) => Object.is(v, b.data[i])));

/**
 * The certified model of a run; its trained net where nothing was certified yet.
 *
 * @throws DynaError 'certificate' where the certificate belongs to other weights, e.g. because the run went on
 */
export async function openModel(run: Run): Promise<Model | CertifiedModel> {
  const { certified: file } = filesOf(run.folder);
  if (!(await exists(file))) return run.trained;
  const record = ((await readJson(file)) ?? {}) as CertifiedRecord;
  const misfit = (what: string) =>
    new DynaError('certificate', `the certificate in ${file} ${what}`, {
      fix: `certify again: dyna certify ${run.folder}`,
    });
  if (record.schema !== SCHEMA) throw misfit(`has schema ${record.schema}, this version reads ${SCHEMA}`);
  requireFields(file, record, ['points', 'certificate', 'hash', 'path', 'chosen', 'fitted']);
  const weights = new Map(run.trained.weights);
  for (const [name, values] of Object.entries(record.fitted)) {
    const old = weights.get(name);
    if (old?.data.length !== values.length) throw misfit(`names a parameter "${name}" that the net does not have`);
    weights.set(name, ndarray(old.dtype, old.dims, values));
  }
  const { points, certificate, path, hash } = record;
  const proven = points.filter((p) => p.certified);
  const chosen = points[record.chosen];
  if (!chosen || bindingHash(weights, run.trained.preprocessing, proven) !== hash)
    throw misfit('was given for other weights or thresholds than these');
  return { ...run.trained, weights, points, chosen, certificate, hash, path };
}

export const isCertified = (model: Model): model is CertifiedModel => 'certificate' in model;
