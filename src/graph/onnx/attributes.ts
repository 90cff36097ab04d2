import { DynaError } from '../../errors.ts';
import type { OnnxAttribute, OnnxNode } from './model.ts';
import { quote } from './scalars.ts';

type Kind = OnnxAttribute['kind'];
type ValueOf<K extends Kind> = Extract<OnnxAttribute, { kind: K }>['value'];

/**
 * The value of a node's attribute.
 *
 * @returns the value, or `undefined` where the node does not have the attribute
 * @throws DynaError('model') where the attribute is of another kind
 * @example const strides = attributeOf(node, 'strides', 'ints') ?? [1, 1]
 */
export function attributeOf<K extends Kind>(node: OnnxNode, name: string, kind: K): ValueOf<K> | undefined {
  if (!Object.hasOwn(node.attributes, name)) return undefined;
  const attribute = node.attributes[name]!;
  if (attribute.kind === kind) return attribute.value as ValueOf<K> | undefined;
  throw new DynaError(
    'model',
    `node ${quote(node.name)} (${quote(node.op)}) needs its attribute ${quote(name)} as ${kind}, the model has ${attribute.kind}`,
  );
}
