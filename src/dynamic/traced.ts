import { DynaError } from '../errors.ts';
import { type Node, type ParamAttrs, placement, type Tensor } from '../graph/index.ts';
import { paramsOf } from '../nn/index.ts';
import { type Decision, FINAL, isExit, isSelect, type Join } from './decision.ts';
import { type DecidingNode, decides } from './keep.ts';

export interface NetSpec {
  /** Shape of one input, channels first: [1, 28, 28]. */
  readonly input: readonly number[];
  /** Number of classes that `classify` answers with. */
  readonly classes?: number;
  readonly name?: string;
}

/** A traced net: plain data. Everything else (training graph, file, cut-outs) is a pass over it. */
export interface Net {
  readonly name: string;
  readonly spec: NetSpec;
  readonly input: Tensor;
  /** The answer, [N, classes] for classifiers. */
  readonly output: Tensor;
}

/** ONNX Runtime's protobuf reader loads 31 nested branches and fails at 32. */
export const MOST_NESTED = 31;

/** The nodes of a net that decide, outermost and earliest first. */
export function decidersOf({ output }: Pick<Net, 'output'>): DecidingNode[] {
  const { nodes, of } = placement([output]);
  const at = new Map(nodes.map((n, i) => [n as Node, i]));
  return nodes.filter(decides).sort((a, b) => of.get(a)!.depth - of.get(b)!.depth || at.get(a)! - at.get(b)!);
}

/** The joins of a net, outermost and earliest first. */
export const joinsOf = (of: Pick<Net, 'output'>): Join[] => decidersOf(of).filter(isSelect);

/** The decisions of a net, in the order of a trace's rows. */
export const decisionsOf = (of: Pick<Net, 'output'>): Decision[] => decidersOf(of).map((n) => n.attrs.decision);

/** The parameters of a net, in the order in which they were made. */
export const parametersOf = ({ output }: Pick<Net, 'output'>): ParamAttrs[] => paramsOf([output]);

/** An answer that the net can stop with: an exit's head, or the last layer ("final"). */
export interface Answer {
  readonly name: string;
  readonly logits: Tensor;
}

/** All answers of a net, earliest first; the last is the full net's. */
export function answersOf({ output }: Pick<Net, 'output'>): Answer[] {
  const answers: Answer[] = [];
  let rest = output;
  while (isSelect(rest.node) && isExit(rest.node.attrs.decision)) {
    answers.push({ name: rest.node.attrs.decision.name, logits: rest.node.inputs[2]! });
    rest = rest.node.inputs[1]!;
  }
  return [...answers, { name: FINAL, logits: rest }];
}

/** Refuses names that no decision of the net has: a typing error would otherwise mean "the default". */
export function checkDecisions(net: Pick<Net, 'output'>, named: readonly string[]): void {
  const known = decisionsOf(net).map((d) => d.name);
  const unknown = named.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new DynaError(
      'usage',
      `the net has no decision "${unknown}"; it has ${known.length > 0 ? known.join(', ') : 'none'}`,
    );
}
