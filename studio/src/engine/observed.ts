import { DynaError } from '../../../src/errors.ts';
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxValue } from '../../../src/graph/onnx/index.ts';

/** A decision's score, found in the graph that compares it with its threshold. */
interface Found {
  readonly score: string;
  /** The If nodes around it, outermost first, and the branch that leads to it. */
  readonly path: readonly { readonly node: OnnxNode; readonly branch: string }[];
}

/** Name of the output that holds the score of a decision. */
export const scoreOutput = (decision: string): string => `score/${decision}`;

function find(graph: OnnxGraph, threshold: string, path: Found['path'] = []): Found | undefined {
  for (const node of graph.nodes) {
    if (node.op === 'LessOrEqual' && node.inputs[1] === threshold) return { score: node.inputs[0]!, path };
    for (const [branch, attribute] of Object.entries(node.attributes)) {
      const inner =
        attribute.kind === 'graph' ? find(attribute.value, threshold, [...path, { node, branch }]) : undefined;
      if (inner) return inner;
    }
  }
  return undefined;
}

const vector = (name: string): OnnxValue => ({ name, dtype: 'float32', shape: [null] });

/** A branch that gives a score out, or nothing of that score where it is not computed. */
function giving(graph: OnnxGraph, name: string, output: string, computed: boolean): OnnxGraph {
  const source: OnnxNode = computed
    ? { name: output, op: 'Identity', domain: '', inputs: [name], outputs: [output], attributes: {} }
    : {
        name: output,
        op: 'Constant',
        domain: '',
        inputs: [],
        outputs: [output],
        attributes: {
          value: { kind: 'tensor', value: { name: '', dtype: 'float32', dims: [0], data: new Float32Array(0) } },
        },
      };
  return { ...graph, nodes: [...graph.nodes, source], outputs: [...graph.outputs, vector(output)] };
}

/** The same graph in which the score at the end of `path` is an output. */
function lift(graph: OnnxGraph, { score, path }: Found, output: string): OnnxGraph {
  const [first, ...rest] = path;
  if (!first) return giving(graph, score, output, true);
  const inner = `${output}/${path.length}`;
  const nodes = graph.nodes.map((node): OnnxNode => {
    if (node !== first.node) return node;
    const attributes = Object.fromEntries(
      Object.entries(node.attributes).map(([name, attribute]) => {
        if (attribute.kind !== 'graph') return [name, attribute];
        const value =
          name === first.branch
            ? lift(attribute.value, { score, path: rest }, `${inner}/in`)
            : giving(attribute.value, '', `${inner}/out`, false);
        return [name, { kind: 'graph' as const, value }];
      }),
    );
    return { ...node, attributes, outputs: [...node.outputs, inner] };
  });
  return giving({ ...graph, nodes }, inner, output, true);
}

/**
 * A shipped model that also puts out the score of each decision: [rows] where all rows reach it, as they do at thresholds
 * that nobody passes. Scores are computed inside branches; they are threaded out through every If around them.
 *
 * @param thresholds by the decision's name: the graph input that its score is compared with
 * @throws DynaError 'model' where no score is compared with a threshold
 */
export function withScores(model: OnnxModel, thresholds: Readonly<Record<string, string>>): OnnxModel {
  let { graph } = model;
  for (const [decision, threshold] of Object.entries(thresholds)) {
    const found = find(graph, threshold);
    if (!found) throw new DynaError('model', `the graph compares no score with "${threshold}"`);
    graph = lift(graph, found, scoreOutput(decision));
  }
  return { ...model, graph };
}
