import { attributeOf, type OnnxAttribute, type OnnxGraph, type OnnxNode, type OnnxTensor } from '../onnx/index.ts';

type Kind = OnnxAttribute['kind'];

/** What stands for "to the end" in slices: exact as a number, and beyond any size. */
const clamp = (v: bigint): number => Number(v > 0n ? (v > largest ? largest : v) : v < -largest ? -largest : v);
const largest = BigInt(Number.MAX_SAFE_INTEGER);

/** A node's attributes, with a record of which were asked for: what nobody understood must not be dropped silently. */
export class Attributes {
  readonly #asked = new Set<string>();
  readonly #node: OnnxNode;

  constructor(node: OnnxNode) {
    this.#node = node;
  }

  #get<K extends Kind>(name: string, kind: K) {
    this.#asked.add(name);
    return attributeOf<K>(this.#node, name, kind);
  }

  #kindOf(name: string): Kind | undefined {
    return Object.hasOwn(this.#node.attributes, name) ? this.#node.attributes[name]!.kind : undefined;
  }

  int(name: string): number | undefined;
  int(name: string, fallback: number): number;
  int(name: string, fallback?: number): number | undefined {
    return this.#get(name, 'int') ?? fallback;
  }

  flag(name: string, fallback: 0 | 1): 0 | 1 {
    return this.int(name, fallback) === 0 ? 0 : 1;
  }

  float(name: string): number | undefined;
  float(name: string, fallback: number): number;
  float(name: string, fallback?: number): number | undefined {
    return this.#get(name, 'float') ?? fallback;
  }

  string(name: string, fallback: string): string {
    return this.#get(name, 'string') ?? fallback;
  }

  ints(name: string): number[] | undefined {
    if (this.#kindOf(name) === 'bigints') return this.#get(name, 'bigints')!.map(clamp);
    return this.#get(name, 'ints');
  }

  /** One integer or several, exactly. */
  exactInts(name: string): bigint[] {
    const kind = this.#kindOf(name);
    if (kind === 'int' || kind === 'bigint') return [BigInt(this.#get(name, kind)!)];
    return (kind === 'bigints' ? this.#get(name, 'bigints')! : this.#get(name, 'ints')!).map(BigInt);
  }

  floats(name: string): number[] | undefined {
    return this.#get(name, 'floats');
  }

  tensor(name: string): OnnxTensor | undefined {
    return this.#get(name, 'tensor');
  }

  graph(name: string): OnnxGraph | undefined {
    return this.#get(name, 'graph');
  }

  /** Attributes that have no bearing on the result. */
  ignore(...names: string[]): void {
    for (const name of names) this.#asked.add(name);
  }

  unread(): string[] {
    return Object.keys(this.#node.attributes).filter((name) => !this.#asked.has(name));
  }
}
