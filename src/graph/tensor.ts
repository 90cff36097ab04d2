import { DynaError } from '../errors.ts';
import type { DType, NDArray } from './array.ts';
import { scoped } from './scope.ts';
import { formatShape, type Shape } from './shape.ts';

/** What is known of a tensor before it has numbers. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Attribute values of an operator: ONNX's kinds, plus records that pseudo-operators carry through the passes. */
// biome-ignore lint/suspicious/noExplicitAny: each operator narrows its own attributes
export type Attrs = Record<string, any>;

/** A node of the graph: one call of an operator. Immutable; a pass builds new nodes. */
export interface Node<A extends Attrs = Attrs> {
  readonly id: number;
  readonly op: Operator<A>;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly attrs: A;
  readonly outputs: readonly Tensor[];
  /** Scoped name of the place in the user's code that made it, as "stage1/conv". */
  readonly scope: string;
}

/** A symbolic tensor: output `index` of `node`. Holds no numbers. */
export class Tensor implements TensorType {
  readonly node: Node;
  readonly index: number;
  readonly dtype: DType;
  readonly shape: Shape;

  constructor(node: Node, index: number, type: TensorType) {
    this.node = node;
    this.index = index;
    this.dtype = type.dtype;
    this.shape = type.shape;
  }

  get rank(): number {
    return this.shape.length;
  }

  toString(): string {
    return `${this.dtype}${formatShape(this.shape)} of ${this.node.op.name}${this.node.scope ? ` in "${this.node.scope}"` : ''}`;
  }
}

/** What a gradient rule sees. */
export interface Gradient<A extends Attrs = Attrs> {
  /** Cotangent of output 0. */
  readonly g: Tensor;
  /** Cotangents of all outputs; undefined where nothing flows back. */
  readonly gs: readonly (Tensor | undefined)[];
  readonly x: readonly Tensor[];
  readonly y: readonly Tensor[];
  readonly attrs: A;
}

/**
 * How the cotangent reaches one input: a formula; `null` where the derivative is zero almost everywhere (indices,
 * comparisons, shapes); or a sentence why there is none. A formula that returns undefined says "zero here".
 */
export type Rule<A extends Attrs = Attrs> =
  | ((c: Gradient<A>) => Tensor | undefined)
  | null
  | { readonly refuse: string };

/** Everything the library knows about an operator. Passes ask this record, never the name. */
export interface Operator<A extends Attrs = Attrs> {
  readonly name: string;
  /**
   * '' is ai.onnx; 'dynaneural' marks pseudo-operators that a lowering must remove before a file is written;
   * 'com.microsoft.nchwc' the engine's own, which only graphs that never leave this machine may use.
   */
  readonly domain: '' | 'com.microsoft' | 'com.microsoft.nchwc' | 'dynaneural';
  /** Fewest and most inputs. */
  readonly arity: readonly [number, number];
  /** Result types; throws a DynaError that names both shapes where they do not fit. */
  readonly infer: (x: readonly Tensor[], attrs: A) => TensorType[];
  /** A rule for each input; a function where the number of inputs varies. */
  readonly gradient: readonly Rule<A>[] | ((input: number) => Rule<A>);
  /** Multiply-accumulates for one batch item. */
  readonly macs: (node: Node<A>) => number;
  /** The numbers, for constant folding; undefined where they would not be exact, absent where folding is never worth it. */
  readonly evaluate?: (x: readonly NDArray[], attrs: A, types: readonly TensorType[]) => NDArray[] | undefined;
  /** Attributes that ONNX stores as floats although they may look like integers. */
  readonly floats?: readonly string[];
  /** Names the block (a branch) that input `i` is evaluated in; undefined: with the node itself. */
  readonly block?: (node: Node<A>, input: number) => string | undefined;
  /** The first output that a file may leave out where nothing uses it; absent: every output is always written. */
  readonly optionalFrom?: number;
  /** Attributes that only our passes need; the file does not carry them. */
  readonly internal?: readonly string[];
  /** Its outputs by other operators: what a pseudo-operator that no pass lowered is written as. */
  readonly expand?: (x: readonly Tensor[], attrs: A) => readonly Tensor[];
  /** Each element of the result depends on the elements at its place only (after broadcasting). */
  readonly pointwise?: boolean;
  /** A leaf: parameter, input or constant. */
  readonly leaf?: 'input' | 'param' | 'constant';
  /** Mixes rows of axis 0 although the shapes do not show it (statistics over the batch). */
  readonly couplesBatch?: boolean;
}

let nextId = 0;
/** Calls an operator: checks its arity, infers its types, makes the node. */
export function applyAll<A extends Attrs>(
  op: Operator<A>,
  inputs: readonly (Tensor | undefined)[],
  attrs: NoInfer<A>,
): readonly Tensor[] {
  const [least, most] = op.arity;
  if (inputs.length < least || inputs.length > most)
    throw new DynaError(
      'graph',
      `${op.name} takes ${least === most ? least : `${least} to ${most}`} inputs, got ${inputs.length}`,
    );
  for (let i = 0; i < least; i++)
    if (!inputs[i]) throw new DynaError('graph', `${op.name}: input ${i} is required and missing`);
  const types = op.infer(inputs as readonly Tensor[], attrs);
  const outputs: Tensor[] = [];
  const node: Node<A> = { id: nextId++, op, inputs: [...inputs], attrs, outputs, scope: scoped() };
  for (const [i, type] of types.entries()) outputs.push(new Tensor(node as unknown as Node, i, type));
  return outputs;
}

/** `applyAll` for operators with one result. */
export const apply = <A extends Attrs>(
  op: Operator<A>,
  inputs: readonly (Tensor | undefined)[],
  attrs: NoInfer<A>,
): Tensor => applyAll(op, inputs, attrs)[0]!;

/** A gradient rule that says aloud why there is none. */
export const refuse = (why: string): { refuse: string } => ({ refuse: why });

/** Most operators move or compare numbers: no multiply-accumulates. */
export const noMacs = (): number => 0;
