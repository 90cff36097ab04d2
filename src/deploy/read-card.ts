import { readFileSync } from 'node:fs';
import { DynaError } from '../errors.ts';
import { fileError } from '../files.ts';
import { decodeModel, formatShape, type OnnxModel } from '../graph/index.ts';
import { CARD_KEY, type ModelCard } from './card.ts';
import { readCardJson } from './card-json.ts';
import { contentHash } from './content-hash.ts';

/** A file's card, checked, certificate and all. */
export function cardIn(bytes: Uint8Array): ModelCard {
  const model = decodeModel(bytes);
  const json = Object.hasOwn(model.metadata, CARD_KEY) ? model.metadata[CARD_KEY] : undefined;
  if (json === undefined)
    throw new DynaError('model', `an ONNX model (${portrait(model)}), but it has no DynaNeural metadata`, {
      fix: 'where it is static, as models are that adapt could not make faster, run it with ONNX Runtime itself; of a dynamic one take the file that was saved (some converters drop metadata)',
    });
  const card = readCardJson(json);
  if (card.certificate && card.hash !== contentHash(model, card))
    throw new DynaError(
      'certificate',
      card.hash === undefined
        ? 'the certificate is bound to no content: its hash is missing'
        : 'the certificate does not fit the file: its weights, thresholds, graph or card were changed afterwards',
      { fix: 'take the original file, or certify the model as it is now' },
    );
  return card;
}

const portrait = ({ producer, producerVersion, graph }: OnnxModel): string => {
  const stored = new Set(graph.initializers.map((t) => t.name));
  const inputs = graph.inputs.filter((v) => !stored.has(v.name));
  const shown = inputs.slice(0, 3).map((v) => `${v.name} ${v.shape ? formatShape(v.shape.map((d) => d ?? '?')) : ''}`);
  return `by ${`${producer} ${producerVersion}`.trim() || 'an unknown program'}, ${graph.nodes.length} nodes, inputs ${shown.join(', ').trim() || 'none'}`;
};

/** Puts the file's name before what was wrong with it. */
export function inFile<T>(name: string | undefined, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (name === undefined || !(error instanceof DynaError)) throw error;
    throw new DynaError(error.code, `"${name}": ${error.message}`, { cause: error });
  }
}

/**
 * What a saved file says about itself: classes, preprocessing, decisions, costs, operating points, certificate.
 * No session is made.
 *
 * @param source a path, or the content of a file
 * @throws DynaError 'file' where it cannot be read; 'model' where it is no ONNX file, has no card, or one that is
 *   damaged or newer; 'certificate' where the certificate does not fit the content
 * @example readCard('fashion.onnx').points.length
 */
export function readCard(source: string | Uint8Array): ModelCard {
  if (typeof source !== 'string') return cardIn(source);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(source);
  } catch (cause) {
    throw fileError(`"${source}" could not be read`, cause);
  }
  return inFile(source, () => cardIn(bytes));
}
