import { createHash, type Hash } from 'node:crypto';
import type { NDArray, OnnxAttribute, OnnxGraph, OnnxModel, OnnxTensor, OnnxValue } from '../graph/index.ts';
import { encodeCard, type ModelCard } from './card.ts';

const bigintAsText = (_: string, v: unknown): unknown => (typeof v === 'bigint' ? `${v}n` : v);

/** Feeds a hash with what a model computes: operators, wiring, attributes and numbers of all graphs in it. */
class Content {
  readonly #hash: Hash = createHash('sha256');

  add(...parts: readonly unknown[]): this {
    this.#hash.update(`${JSON.stringify(parts, bigintAsText)}\n`);
    return this;
  }

  graph({ inputs, outputs, initializers, nodes }: OnnxGraph): void {
    const values = (list: readonly OnnxValue[]) => list.map(({ name, dtype, shape }) => [name, dtype, shape ?? null]);
    this.add('graph', values(inputs), values(outputs), initializers.length, nodes.length);
    for (const t of [...initializers].sort(byName)) this.#array(t.name, t);
    for (const { op, domain, inputs: from, outputs: to, attributes } of nodes) {
      const named = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
      this.add('node', domain, op, from, to, named.length);
      for (const [name, value] of named) this.#attribute(name, value);
    }
  }

  #attribute(name: string, attribute: OnnxAttribute): void {
    const { kind, value } = attribute;
    if (kind === 'graph') this.add(name, kind).graph(value);
    else if (kind === 'tensor') this.#array(name, value);
    else this.add(name, kind, value);
  }

  #array(name: string, { dtype, dims, data }: NDArray): void {
    this.add('array', name, dtype, dims, data.byteLength);
    this.#hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  digest(): string {
    return this.#hash.digest('hex');
  }
}

const byName = (a: OnnxTensor, b: OnnxTensor): number => (a.name < b.name ? -1 : 1);

/**
 * What a file's certificate is bound to: sha256 of all that the file computes (operators, weights, default thresholds)
 * and of its card (preprocessing, operating points, certificate). Names of nodes, annotations and the order of weights
 * do not count, so other tools may rewrite the file as long as it stays the same model.
 *
 * It finds damage and mix-ups. It is no signature: whoever changes a file on purpose can compute it anew.
 *
 * @param model as read from a file (attributes as float32)
 */
export function contentHash(model: OnnxModel, { hash: _, ...card }: ModelCard): string {
  const content = new Content().add(model.opsets[''], Object.keys(model.opsets), model.functions?.length ?? 0);
  content.graph(model.graph);
  return content.add(encodeCard(card)).digest();
}
