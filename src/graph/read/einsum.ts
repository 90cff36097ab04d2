import { productOf } from '../dims.ts';
import { matMul } from '../ops/linear.ts';
import { reduceSum } from '../ops/reduce.ts';
import { transpose } from '../ops/reshape.ts';
import type { Dim } from '../shape.ts';
import { sameShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import type { Call } from './call.ts';
import { reshapeTo } from './shapes.ts';

/** "bhid,bhjd->bhij" of one or two tensors, as transposes around one matrix product. */
export function einsum(c: Call): readonly Tensor[] {
  const equation = c.attributes.string('equation', '').replaceAll(' ', '');
  const [left, right] = equation.split('->');
  const terms = left!.split(',');
  const letters = [...left!.replaceAll(',', '')];
  if (!/^[a-zA-Z]+(,[a-zA-Z]+)?(->[a-zA-Z]*)?$/.test(equation) || terms.some((t) => new Set(t).size < t.length))
    c.refuse(`the equation ${JSON.stringify(equation)} is not supported`, 'one or two terms, each letter once in each');
  const out =
    right ??
    [...new Set(letters)]
      .filter((l) => letters.filter((m) => m === l).length === 1)
      .sort()
      .join('');
  if ([...out].some((l) => !letters.includes(l)) || new Set(out).size < out.length)
    c.refuse(`the equation ${JSON.stringify(equation)} does not say where its results come from`);

  const tensors = c.all();
  if (tensors.length !== terms.length || tensors.some((t, i) => t.rank !== terms[i]!.length))
    c.refuse(`the equation ${JSON.stringify(equation)} does not fit ${tensors.join(' and ')}`);
  const size = new Map<string, Dim>();
  for (const [i, t] of tensors.entries())
    for (const [axis, l] of [...terms[i]!].entries()) {
      const known = size.get(l);
      if (known !== undefined && known !== t.shape[axis])
        c.refuse(`"${l}" is ${known} in one term and ${t.shape[axis]} in another`);
      size.set(l, t.shape[axis]!);
    }

  /** A tensor without the letters that nothing else uses. */
  const reduced = tensors.map((t, i): [Tensor, string] => {
    const others = terms.filter((_, k) => k !== i).join('') + out;
    const keep = [...terms[i]!].map((l) => others.includes(l));
    const axes = keep.flatMap((k, axis) => (k ? [] : [axis]));
    return [reduceSum(t, axes), [...terms[i]!].filter((_, axis) => keep[axis]).join('')];
  });
  const [[a, inA], second] = reduced as [[Tensor, string], [Tensor, string]?];
  if (!second) return [arranged(a, inA, out)];
  const [b, inB] = second;
  const batch = [...inA].filter((l) => inB.includes(l) && out.includes(l));
  const inner = [...inA].filter((l) => inB.includes(l) && !out.includes(l));
  const rows = [...inA].filter((l) => !inB.includes(l));
  const columns = [...inB].filter((l) => !inA.includes(l));
  const sizes = (list: readonly string[]): Dim[] => list.map((l) => size.get(l)!);
  /** The letters of each group become one axis, but for the batch. */
  const grouped = (t: Tensor, order: readonly string[], from: string, ...groups: (readonly string[])[]): Tensor => {
    const joined = [...sizes(batch), ...groups.map((g) => productOf(sizes(g)) as Dim)];
    return shaped(c, arranged(t, from, order.join('')), joined);
  };
  const product = matMul(
    grouped(a, [...batch, ...rows, ...inner], inA, rows, inner),
    grouped(b, [...batch, ...inner, ...columns], inB, inner, columns),
  );
  const whole = [...batch, ...rows, ...columns];
  return [arranged(shaped(c, product, sizes(whole)), whole.join(''), out)];
}

const arranged = (t: Tensor, from: string, to: string): Tensor =>
  from === to
    ? t
    : transpose(
        t,
        [...to].map((l) => from.indexOf(l)),
      );

const shaped = (c: Call, t: Tensor, wanted: readonly Dim[]): Tensor =>
  sameShape(t.shape, wanted)
    ? t
    : (reshapeTo(t, wanted) ?? c.refuse(`${t} cannot be brought into the shape [${wanted}]`));
