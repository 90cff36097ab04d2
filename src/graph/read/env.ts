import { DynaError } from '../../errors.ts';
import type { NDArray } from '../array.ts';
import { Names } from '../names.ts';
import { forEachNode, type OnnxGraph, type OnnxModel, type OnnxTensor, type OnnxValue } from '../onnx/index.ts';
import { quote } from '../onnx/scalars.ts';
import { isFloat } from '../ops/elementwise.ts';
import { constant, Param, type ParamAttrs } from '../ops/leaf.ts';
import { apply, Tensor } from '../tensor.ts';
import { type Captures, capturesOf } from './order.ts';
import { Sizes } from './sizes.ts';

/** What reading one file carries along. */
export class Session {
  readonly model: OnnxModel;
  readonly opset: number;
  readonly weights = new Map<string, NDArray>();
  readonly sizes = new Sizes();
  readonly captures: Captures = capturesOf();
  /** Names of parameters and inputs, and those of sizes. */
  readonly names = new Names();
  readonly dims = new Names();
  readonly #statistics = new Set<string>();
  readonly #rowNames = new Map<string, string>();
  readonly #renamed = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  readonly #texts = new Set<string>();

  constructor(model: OnnxModel, opset: number) {
    this.model = model;
    this.opset = opset;
    const declared = new Map<string, OnnxValue>();
    const seen = new Set<OnnxGraph>();
    for (const v of model.graph.inputs) for (const d of v.shape ?? []) if (typeof d === 'string') this.dims.reserve(d);
    forEachNode(model.graph, (node, graph) => {
      if (!seen.has(graph)) for (const v of graph.values) declared.set(v.name, v);
      seen.add(graph);
      if (node.domain !== '') return;
      if (node.op === 'BatchNormalization') for (const name of node.inputs.slice(3)) this.#statistics.add(name);
      if (node.op === 'Compress') {
        const rows = declared.get(node.outputs[0] ?? '')?.shape?.find((d) => typeof d === 'string');
        const condition = node.inputs[1] ?? '';
        if (typeof rows === 'string' && !this.#rowNames.has(condition) && this.dims.reserve(rows))
          this.#rowNames.set(condition, rows);
      }
    });
  }

  /**
   * A size's name as ours. Products ("4*N") are kept, because our own files have them; other arithmetic and names that
   * look like numbers would be mistaken for what they are not, and get a new name.
   */
  dim(name: string): string {
    if (/^(\d+\*)?[^\d*+()\s/-][^*+()\s/]*$/.test(name) && !this.#renamed.has(name)) return name;
    const known = this.#renamed.get(name) ?? this.dims.fresh('size');
    this.#renamed.set(name, known);
    return known;
  }

  /** The name of the number of true elements of a condition: as the file declares it, else a new one. */
  rows(condition: string): string {
    const name = this.#rowNames.get(condition) ?? this.dims.fresh(`${condition}.rows`);
    this.#rowNames.set(condition, name);
    return name;
  }

  note(text: string): void {
    this.#texts.add(text);
  }

  /** A note about something that happens often: told once, with how often. */
  count(text: string): void {
    this.#counts.set(text, (this.#counts.get(text) ?? 0) + 1);
  }

  get notes(): string[] {
    return [
      ...this.#texts,
      ...[...this.#counts].map(([text, times]) => (times === 1 ? text : `${text} (${times} times)`)),
    ];
  }

  /**
   * Stored tensors as leaves: floats are parameters. Scalars of foreign files are constants, because nobody means to
   * train the 0.5 of a formula; our own writer names its constants so, and its other scalars are measured (temperatures).
   */
  leaf(stored: OnnxTensor): Tensor {
    const value: NDArray = { dtype: stored.dtype, dims: stored.dims, data: stored.data };
    const { dtype, dims: shape } = value;
    const own = this.model.producer === 'dynaneural';
    if (!isFloat(dtype) || (own && /^constant(_\d+)?$/.test(stored.name))) return constant(value);
    const scalar = shape.length === 0;
    if (scalar && !own) {
      this.count('a stored scalar was read as a constant, which is not trained');
      return constant(value);
    }
    const name = this.names.fresh(stored.name);
    if (name !== stored.name) this.note(`a second initializer ${quote(stored.name)} was renamed ${quote(name)}`);
    const statistic = scalar || this.#statistics.has(stored.name);
    const role = statistic ? 'statistic' : shape.length === 1 ? 'bias' : 'weight';
    this.weights.set(name, value);
    return apply<ParamAttrs>(Param, [], { name, dtype, shape, init: { kind: 'value', value }, role });
  }
}

interface Stored {
  readonly stored: OnnxTensor;
  leaf?: Tensor;
  constant?: Tensor;
}

/** A list of tensors: ONNX's sequences, of which only those are read that are taken apart again. */
export interface Sequence {
  readonly list: readonly Tensor[];
}

type Entry = Tensor | Stored | Sequence;

/** The names that one graph sees: its own, then those of the graphs around it. */
export class Env {
  readonly session: Session;
  readonly #parent: Env | undefined;
  readonly #entries = new Map<string, Entry>();
  /** Stored tensors whose numbers were read. */
  readonly #touched = new Set<string>();

  constructor(session: Session, parent?: Env) {
    this.session = session;
    this.#parent = parent;
  }

  has = (name: string): boolean => this.#entries.has(name) || (this.#parent?.has(name) ?? false);

  define(name: string, entry: Entry): void {
    if (this.has(name))
      throw new DynaError('model', `the model defines the value ${quote(name)} twice`, {
        fix: 'every value of a graph needs its own name; export the model again',
      });
    this.#entries.set(name, entry);
  }

  #find(name: string): Entry | undefined {
    return this.#entries.get(name) ?? (this.#parent ? this.#parent.#find(name) : undefined);
  }

  /** A stored tensor becomes a leaf when it is first asked for, so that limits, axes and shapes never become parameters. */
  tensor(name: string): Tensor | undefined {
    const entry = this.#find(name);
    if (!entry || entry instanceof Tensor) return entry;
    if ('list' in entry)
      throw new DynaError('model', `the value ${quote(name)} is a sequence, which only SequenceAt can read here`);
    entry.leaf ??= this.session.leaf(entry.stored);
    return entry.leaf;
  }

  /** A stored tensor as a constant, also where it would otherwise be a parameter. */
  constant(name: string): Tensor | undefined {
    const entry = this.#find(name);
    if (!entry || entry instanceof Tensor || 'list' in entry) return undefined;
    const { dtype, dims, data } = entry.stored;
    entry.constant ??= constant({ dtype, dims, data });
    this.touch(name);
    return entry.constant;
  }

  /** The numbers behind a name, where they are stored in the file. */
  stored(name: string): OnnxTensor | undefined {
    const entry = this.#find(name);
    return entry && 'stored' in entry ? entry.stored : undefined;
  }

  sequence(name: string): readonly Tensor[] | undefined {
    const entry = this.#find(name);
    return entry && 'list' in entry ? entry.list : undefined;
  }

  /** Stored tensors of this graph that nothing used. */
  unused(): string[] {
    return [...this.#entries].flatMap(([name, e]) =>
      'stored' in e && !e.leaf && !this.#touched.has(name) ? [name] : [],
    );
  }

  /** Marks a stored tensor whose numbers were read as used. */
  touch(name: string): void {
    if (this.#entries.has(name)) this.#touched.add(name);
    else this.#parent?.touch(name);
  }
}
