import { FusedMatMul, matMul, matrixTranspose, mul, rewrite, type Tensor } from '../graph/index.ts';

/** Writes what the gradients of matrix products use of ONNX Runtime's own operators in plain ONNX. */
export const plain = (outputs: readonly Tensor[]): Tensor[] =>
  rewrite(outputs, (node, inputs) => {
    if (node.op !== (FusedMatMul as unknown)) return undefined;
    const [a, b] = inputs as [Tensor, Tensor];
    const { transA, transB, alpha } = node.attrs;
    const product = matMul(transA ? matrixTranspose(a) : a, transB ? matrixTranspose(b) : b);
    return [alpha === 1 ? product : mul(product, alpha as number)];
  });
