import { DynaError } from '../../errors.ts';
import type { NDArray } from '../array.ts';
import type { Size } from '../dims.ts';
import type { OnnxGraph, OnnxNode, OnnxValue } from '../onnx/index.ts';
import { constantOf } from '../ops/leaf.ts';
import { formatShape, isConcrete, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { Attributes } from './attributes.ts';
import type { Env, Sequence } from './env.ts';
import { describe } from './order.ts';

/** Turns one node of a file into tensors, one for each output that it can give. */
export type Converter = (call: Call) => readonly Tensor[] | Sequence;
export type Converters = Readonly<Record<string, Converter>>;

/** One node while it is read: its inputs, its attributes, and ways to refuse it. */
export class Call {
  readonly node: OnnxNode;
  readonly attributes: Attributes;
  /** Version of the operator set that the file uses. */
  readonly opset: number;
  readonly env: Env;
  /** Reads a branch; its nodes see what this node sees. */
  readonly readBranch: (graph: OnnxGraph) => Tensor[];
  readonly #declared: ReadonlyMap<string, OnnxValue>;
  readonly #asked = new Set<number>();

  constructor(
    node: OnnxNode,
    env: Env,
    declared: ReadonlyMap<string, OnnxValue>,
    readBranch: (graph: OnnxGraph) => Tensor[],
  ) {
    this.node = node;
    this.env = env;
    this.#declared = declared;
    this.readBranch = readBranch;
    this.attributes = new Attributes(node);
    this.opset = env.session.opset;
  }

  refuse(why: string, fix?: string): never {
    throw new DynaError('model', `${describe(this.node)}: ${why}`, fix === undefined ? {} : { fix });
  }

  /** True where the file gives input `i`. */
  given(i: number): boolean {
    return (this.node.inputs[i] ?? '') !== '';
  }

  /** True where the model uses output `i`. */
  asks(i: number): boolean {
    return (this.node.outputs[i] ?? '') !== '';
  }

  optional(i: number): Tensor | undefined {
    this.#asked.add(i);
    return this.given(i) ? this.env.tensor(this.node.inputs[i]!)! : undefined;
  }

  input(i: number): Tensor {
    return this.optional(i) ?? this.refuse(`input ${i} is required and missing`);
  }

  /** Input `i` where it is a list of tensors. */
  sequence(i: number): readonly Tensor[] {
    this.#asked.add(i);
    return (
      this.env.sequence(this.node.inputs[i] ?? '') ?? this.refuse(`input ${i} must be a sequence that the model makes`)
    );
  }

  /** All inputs; none may be left out. */
  all(): Tensor[] {
    return this.node.inputs.map((_, i) => this.input(i));
  }

  /** The numbers of input `i` where the file stores them or they follow from what it stores; undefined elsewhere. */
  value(i: number): NDArray | undefined {
    this.#asked.add(i);
    if (!this.given(i)) return undefined;
    const name = this.node.inputs[i]!;
    const stored = this.env.stored(name);
    if (stored) this.env.touch(name);
    return stored ?? constantOf(this.env.tensor(name));
  }

  /** Numbers that must be known now: axes, pads, limits. Undefined where the input is left out. */
  numbers(i: number, what: string): number[] | undefined {
    if (!this.given(i)) return undefined;
    const value = this.value(i);
    if (!value)
      this.refuse(
        `${what} (input ${i}, ${JSON.stringify(this.node.inputs[i])}) must be constants, here they are computed or fed`,
        'export the model with fixed shapes, or simplify it first',
      );
    if (value.dtype === 'float16') this.refuse(`${what} in float16 are not supported`, 'convert them to float32');
    return Array.from(value.data as ArrayLike<number | bigint>, Number);
  }

  number(i: number, what: string): number | undefined {
    const values = this.numbers(i, what);
    if (values && values.length !== 1) this.refuse(`${what} must be one number, got ${values.length}`);
    return values?.[0];
  }

  /** Input `i` as a constant where its numbers are known, never as a parameter. */
  limit(i: number): Tensor | undefined {
    this.#asked.add(i);
    const stored = this.given(i) ? this.env.constant(this.node.inputs[i]!) : undefined;
    return stored ?? this.optional(i);
  }

  /** What is known about the integers in input `i`: numbers, names, or nothing. */
  sizes(i: number): readonly Size[] | undefined {
    const value = this.value(i);
    if (value) return Array.from(value.data as ArrayLike<number | bigint>, Number);
    const t = this.optional(i);
    return t && this.env.session.sizes.of(t);
  }

  /** What the file says about output `i`, where it names all axes. */
  declaredShape(i: number): Shape | undefined {
    const shape = this.#declared.get(this.node.outputs[i] ?? '')?.shape;
    const { session } = this.env;
    return shape?.every((d) => d !== null)
      ? (shape as Shape).map((d) => (typeof d === 'string' ? session.dim(d) : d))
      : undefined;
  }

  /** The element types and sizes of the file must not contradict what follows from the operators. */
  checkDeclared(i: number, t: Tensor): void {
    const value = this.#declared.get(this.node.outputs[i] ?? '');
    if (!value || value.dtype === 'undefined') return;
    const problem = contradiction(value, t);
    if (problem) this.refuse(`output ${i} ${problem}`, 'the file contradicts itself: export it again');
  }

  /** To be called last: refuses what no rule has looked at. */
  finish(made: readonly Tensor[] | Sequence): void {
    const results = 'list' in made ? made.list : made;
    const count = 'list' in made ? 1 : results.length;
    const attributes = this.attributes.unread();
    if (attributes.length > 0)
      this.refuse(`the attribute ${attributes.map((a) => JSON.stringify(a)).join(', ')} is not supported here`);
    const input = this.node.inputs.findIndex((_, i) => this.given(i) && !this.#asked.has(i));
    if (input >= 0) this.refuse(`it takes at most ${input} inputs here, got ${this.node.inputs.length}`);
    const output = this.node.outputs.findLastIndex((_, i) => this.asks(i));
    if (output >= count) this.refuse(`it gives ${count} output(s) here, the model asks for ${output + 1}`);
    for (const t of results)
      for (const d of t.shape)
        if (typeof d === 'number' ? !Number.isSafeInteger(d) || d < 0 : d === '')
          this.refuse(`its inputs and attributes do not fit: the result would have the shape ${formatShape(t.shape)}`);
  }
}

/** How a declared type differs from a tensor's, in words; undefined where they can be the same. */
export function contradiction(value: OnnxValue, t: Tensor): string | undefined {
  const declared = `${value.dtype}${value.shape ? formatShape(value.shape.map((d) => d ?? '?')) : ''}`;
  const differ =
    (value.dtype !== 'undefined' && value.dtype !== t.dtype) ||
    (value.shape &&
      (value.shape.length !== t.rank ||
        value.shape.some((d, i) => isConcrete([d ?? '']) && isConcrete([t.shape[i]!]) && d !== t.shape[i])));
  return differ ? `is declared as ${declared}, but is ${t.dtype}${formatShape(t.shape)}` : undefined;
}
