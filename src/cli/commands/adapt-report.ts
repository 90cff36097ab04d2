import { basename } from 'node:path';
import type { Dataset } from '../../data/index.ts';
import type { Adapted, Compared, ComparedTimes } from '../../deploy/adapt/index.ts';
import { costTable, decisionsOf, extremeMacs } from '../../dynamic/index.ts';
import { sizeOf } from '../../graph/index.ts';
import { machine } from '../../provenance.ts';
import { type AdaptedDifference, type AdaptedReport, MOST_DIFFERENCES } from '../../report/index.ts';

export interface ReportRequest {
  readonly path: string;
  readonly data: string;
  readonly command: string;
  readonly original: Uint8Array;
  readonly result: Adapted;
  readonly times: readonly ComparedTimes[];
  /** The images of `compared`, and what they are. */
  readonly images: Dataset;
  readonly what: string;
  readonly compared: Compared;
  readonly statement: readonly string[];
  readonly threads: number | undefined;
}

/** What the page about an adaptation shows. */
export async function adaptedReport(request: ReportRequest): Promise<AdaptedReport> {
  const { path, result, times, compared, images, original } = request;
  const { summary, bytes, model } = result;
  const ms = (of: 'original' | 'adapted') => Object.fromEntries(times.map((t) => [t.batch, t[of]]));
  const { accuracy } = compared;
  return {
    model: basename(path),
    data: request.data,
    command: request.command,
    machine: await machine(request.threads),
    statement: request.statement,
    fullModelKept: summary.fullModelKept,
    risk: summary.claim.risk,
    epsilon: summary.claim.epsilon,
    original: {
      macs: summary.originalMacs,
      bytes: original.length,
      ms: ms('original'),
      ...(accuracy ? { accuracy: accuracy.original } : {}),
    },
    adapted: {
      macs: compared.meanMacs,
      bytes: bytes.length,
      ms: ms('adapted'),
      ...(accuracy ? { accuracy: accuracy.adapted } : {}),
    },
    compared: {
      n: compared.n,
      what: request.what,
      agreement: compared.agreement,
      ...(compared.harm === undefined ? {} : { harm: compared.harm }),
    },
    exits: Object.keys(compared.exits).map((name) => ({
      name,
      share: compared.exits[name]!,
      agreement: compared.agreementAt[name]!,
    })),
    differences: differences(compared, images, request),
    imageShape: images.shape,
    points: model ? pointsOf(model) : [],
    notes: summary.notes,
  };
}

function pointsOf(model: NonNullable<Adapted['model']>): AdaptedReport['points'] {
  const full = extremeMacs({ decisions: decisionsOf(model.net), regions: costTable(model.net) }, Math.max);
  return model.points.map((p) => ({
    macs: p.budget * full,
    budget: p.budget,
    risk: p.risk,
    certified: p.certified,
    chosen: p === model.chosen,
  }));
}

/** The surest of the differing answers first: those are the ones to look at. */
function differences(
  { differences: all, accuracy }: Compared,
  images: Dataset,
  { result }: Pick<ReportRequest, 'result'>,
): AdaptedDifference[] {
  const classes = result.model?.classes ?? images.classes;
  const nameOf = (k: number): string => classes[k] ?? String(k);
  const sorted = [...all].sort((a, b) => b.confidence - a.confidence);
  return sorted.slice(0, MOST_DIFFERENCES).map((d) => ({
    pixels: pixelsOf(images, d.image),
    original: nameOf(d.original),
    adapted: nameOf(d.adapted),
    exit: d.exit,
    confidence: d.confidence,
    ...(accuracy ? { label: nameOf(images.labels[d.image]!) } : {}),
  }));
}

/** Bytes as they are; floats brought from their own smallest and largest value to 0 and 255. */
function pixelsOf({ inputs, shape }: Dataset, image: number): Uint8Array {
  const size = sizeOf(shape);
  const own = inputs.subarray(image * size, (image + 1) * size);
  if (own instanceof Uint8Array) return own;
  let [low, high] = [own[0]!, own[0]!];
  for (const v of own) [low, high] = [Math.min(low, v), Math.max(high, v)];
  return Uint8Array.from(own, (v) => (255 * (v - low)) / Math.max(high - low, 1e-9));
}
