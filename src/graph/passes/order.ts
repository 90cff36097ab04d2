import type { Node, Tensor } from '../tensor.ts';

/** Every node that `outputs` need, each after its inputs. Iterative: deep nets must not overflow the stack. */
export function order(outputs: Iterable<Tensor>): Node[] {
  const done = new Set<Node>();
  const sorted: Node[] = [];
  for (const output of outputs) {
    const stack: [Node, number][] = [[output.node, 0]];
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const [node, next] = top;
      if (next === 0 && done.has(node)) stack.pop();
      else if (next < node.inputs.length) {
        top[1]++;
        const input = node.inputs[next];
        if (input && !done.has(input.node)) stack.push([input.node, 0]);
      } else {
        stack.pop();
        if (!done.has(node)) sorted.push(node);
        done.add(node);
      }
    }
  }
  return sorted;
}
