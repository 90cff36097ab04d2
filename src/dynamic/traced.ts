import { type Node, type ParamAttrs, placement, type Tensor } from '../graph/index.ts';
import { paramsOf } from '../nn/index.ts';
import { type Decision, FINAL, isExit, isSelect, type Join } from './decision.ts';

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

/** The joins of a net, outermost and earliest first. */
export function joinsOf({ output }: Pick<Net, 'output'>): Join[] {
  const { nodes, of } = placement([output]);
  const at = new Map(nodes.map((n, i) => [n as Node, i]));
  return nodes.filter(isSelect).sort((a, b) => of.get(a)!.depth - of.get(b)!.depth || at.get(a)! - at.get(b)!);
}

/** The decisions of a net, in the order of a trace's columns. */
export const decisionsOf = (of: Pick<Net, 'output'>): Decision[] => joinsOf(of).map((n) => n.attrs.decision);

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
