import {
  dense,
  exit,
  experts,
  keep,
  keepChannels,
  mixture,
  type Net,
  net,
  parametersOf,
  select,
  widths,
} from '../../src/dynamic/index.ts';
import {
  add,
  averagePool,
  concat,
  convolve,
  flatten,
  globalAveragePool,
  maxPool,
  type NDArray,
  ndarray,
  param,
  relu,
  reshape,
  sigmoid,
  sizeOf,
  type Tensor,
  tanh,
} from '../../src/graph/index.ts';
import {
  batchNorm,
  classify,
  conv,
  deformableConv,
  heNormal,
  linear,
  materialize,
  residual,
  routing,
} from '../../src/nn/index.ts';
import { normal, seeded } from './random.ts';
import type { Case, Choice, Exit, Layer, NetPlan, Piece } from './random-nets.ts';

const height = (x: Tensor): number => x.shape[2] as number;
const width = (x: Tensor): number => x.shape[1] as number;

/** `t` in the shape of another tensor, through a 1x1 convolution (or a linear map) where the shapes differ. */
function reshaped(t: Tensor, channels: number, size: number): Tensor {
  if (t.rank === 2) return width(t) === channels ? t : linear(t, channels);
  const stride = height(t) / size;
  return width(t) === channels && stride === 1 ? t : conv(t, channels, { kernel: 1, stride, norm: 'batch' });
}

const like = (t: Tensor, x: Tensor): Tensor => reshaped(t, width(x), x.rank === 2 ? 0 : height(x));

/** Scores from features: [N] for one, [N, count] for more. */
function gate(x: Tensor, count: number): Tensor {
  const out = linear(tanh(x.rank === 4 ? flatten(globalAveragePool(x)) : x), count);
  return count === 1 ? reshape(out, [0]) : out;
}

/** Draws a net from a plan. `free` allows strides, which would break the signature inside a skipped body. */
class Artist {
  private readonly weights = new Map<string, Tensor>();
  /** Tensors that links, shortcuts and gates may reach, outer ones included. */
  private memory: Tensor[] = [];

  pieces(x: Tensor, list: readonly (Piece | Exit)[], free: boolean): Tensor {
    for (const piece of list) {
      x = this.piece(x, piece, free);
      this.memory.push(x);
    }
    return x;
  }

  private piece(x: Tensor, piece: Piece | Exit, free: boolean): Tensor {
    switch (piece.kind) {
      case 'exit':
        return exit(x, {
          policy: piece.policy === 'gate' ? () => gate(x, 1) : piece.policy,
          head: (t) => this.head(t, piece.head),
        });
      case 'skip':
      case 'oneOf':
      case 'lazy':
      case 'either':
      case 'widths':
      case 'experts':
      case 'dense':
        return this.choice(x, piece, free);
      default:
        return x.rank === 2 ? this.flat(x, piece) : this.spatial(x, piece, free);
    }
  }

  private head(x: Tensor, kind: Exit['head']): Tensor {
    if (kind === 'conv' && x.rank === 4) return classify(conv(x, 4, { activation: 'relu' }));
    return kind === 'flat' && x.rank === 4 ? classify(flatten(x)) : classify(x);
  }

  private from(pick: number, fits: (t: Tensor) => boolean = () => true): Tensor | undefined {
    const candidates = this.memory.filter(fits);
    return candidates[pick % Math.max(1, candidates.length)];
  }

  private flat(x: Tensor, piece: Layer): Tensor {
    if (piece.kind === 'relu') return relu(x);
    if (piece.kind === 'batchNorm' || piece.kind === 'depthwise') return batchNorm(x);
    if (piece.kind === 'link') return concat([x, this.from(piece.from) ?? x], 1);
    if (piece.kind === 'shortcut') return add(x, like(this.from(piece.from) ?? x, x));
    if (piece.kind === 'channels') {
      const units = 2 * piece.width;
      const y = linear(x, units, { activation: 'tanh' });
      const rule = piece.top ? { count: piece.width } : { threshold: 0 };
      return keep({ score: () => linear(x, units), values: [{ x: y, axis: 1 }], rule }).values[0]!;
    }
    return linear(x, 'width' in piece ? 2 * piece.width : 6, { activation: 'tanh' });
  }

  private spatial(x: Tensor, piece: Layer, free: boolean): Tensor {
    const strided = (stride: number) => (free && height(x) > 1 ? stride : 1);
    const larger = (t: Tensor) => t.rank === 4 && height(t) >= height(x);
    switch (piece.kind) {
      case 'conv':
        return conv(x, piece.width, { stride: strided(piece.stride), norm: piece.norm, activation: 'relu' });
      case 'residual': {
        const bottleneck = piece.bottleneck && piece.width % 4 === 0;
        return residual(x, piece.width, { stride: strided(piece.stride), bottleneck });
      }
      case 'depthwise':
        return conv(x, width(x), { groups: width(x), activation: 'relu' });
      case 'batchNorm':
        return batchNorm(x);
      case 'relu':
        return relu(x);
      case 'pool': {
        if (strided(2) === 2) return piece.mean ? averagePool(x, 2) : maxPool(x, 2);
        return (piece.mean ? averagePool : maxPool)(x, 3, { stride: 1, padding: 1 });
      }
      case 'shared':
        return relu(convolve(x, this.sharedWeight(width(x)), undefined, { padding: 1 }));
      case 'channels': {
        const { width: own, norm, top } = piece;
        const saliency = (t: Tensor, n: number) => routing(tanh(t), n, { activation: 'sigmoid', temperature: 0.3 });
        const rule = top ? { share: 0.5 } : { threshold: 0.5 };
        return keepChannels(x, own, { keep: rule, norm, saliency, stride: strided(piece.stride) });
      }
      case 'deformable':
        return deformableConv(x, piece.width, { activation: 'relu' });
      case 'mixture':
        return mixture(x, piece.width, { kernels: piece.kernels, temperature: 0.3, activation: 'relu' });
      case 'link': {
        const t = this.from(piece.from, (m) => larger(m) && height(m) === height(x)) ?? x;
        const joined = concat([x, t], 1);
        return width(joined) > 24 ? conv(joined, 8, { kernel: 1 }) : joined;
      }
      case 'shortcut':
        return relu(add(x, like(this.from(piece.from, larger) ?? x, x)));
    }
  }

  /** One weight for all places with so many channels, made where it is first needed. */
  private sharedWeight(channels: number): Tensor {
    const key = `shared${channels}`;
    const shape = [channels, channels, 3, 3];
    const known = this.weights.get(key) ?? param(key, shape, heNormal(shape));
    this.weights.set(key, known);
    return known;
  }

  private choice(x: Tensor, piece: Choice, free: boolean): Tensor {
    const source = this.from(piece.gate) ?? x;
    const scores = (count: number) => gate(source, count);
    const outer = this.memory;
    const within = (build: () => Tensor) => (): Tensor => {
      this.memory = [...outer];
      const result = build();
      this.memory = outer;
      return result;
    };
    switch (piece.kind) {
      case 'skip': {
        const run = within(() => like(this.pieces(x, piece.body, false), x));
        const options = piece.flip ? { run, skip: () => x } : { skip: () => x, run };
        return select({ score: scores(1), options, family: 'skip' });
      }
      case 'oneOf': {
        const size = x.rank === 2 ? 0 : free && height(x) > 1 ? height(x) / piece.stride : height(x);
        const bodies = piece.bodies.map((body, k) => [
          `option${k}`,
          within(() => reshaped(this.pieces(x, body, false), piece.width, size)),
        ]);
        const byArgmax = piece.argmax || bodies.length > 2;
        return select({ score: scores(byArgmax ? bodies.length : 1), options: Object.fromEntries(bodies) });
      }
      case 'lazy': {
        const score = scores(1);
        const inner = this.choice(x, piece.inner, false);
        const run = within(() => like(this.pieces(inner, piece.body, false), x));
        return select({ score, options: { skip: () => x, run }, family: 'lazy' });
      }
      case 'widths': {
        const shares = piece.three ? [1, 0.5, 0.25] : [1, 0.5];
        const inner = (t: Tensor, share: number): Tensor =>
          t.rank === 2
            ? linear(linear(t, 8 * share, { activation: 'tanh' }), width(x))
            : conv(conv(t, 8 * share, { norm: 'batch', activation: 'relu' }), width(x), { norm: 'batch' });
        return widths(x, shares, inner, { gate: scores(shares.length) });
      }
      case 'experts': {
        const size = x.rank === 2 ? 0 : height(x);
        const list = piece.bodies.map((body) => (t: Tensor) => {
          this.memory = [...outer];
          const result = reshaped(this.pieces(t, body, false), piece.width, size);
          this.memory = outer;
          return result;
        });
        return experts(x, list, { top: piece.top, router: scores(list.length) });
      }
      case 'dense': {
        const earlier =
          this.from(piece.from, (t) => t.rank === x.rank && (t.rank === 2 || height(t) >= height(x))) ?? x;
        const edge = (t: Tensor): Tensor =>
          t.rank === 2
            ? linear(t, piece.width, { activation: 'relu' })
            : conv(t, piece.width, { stride: height(t) / height(x), activation: 'relu' });
        return like(dense([earlier, x], edge, { weights: () => sigmoid(scores(2)), threshold: 0.5 }), x);
      }
      case 'either': {
        const other = relu(like(this.from(piece.from, (t) => t.rank === 2 || height(t) >= height(x)) ?? x, x));
        this.memory.push(other);
        return add(select({ score: scores(1), options: { first: () => x, second: () => other } }), other);
      }
    }
  }

  trace({ stem }: NetPlan, list: NetPlan['pieces'], x: Tensor): Tensor {
    if (stem)
      x = x.rank === 2 ? linear(x, 8, { activation: 'relu' }) : conv(x, 4, { norm: 'batch', activation: 'relu' });
    this.memory.push(x);
    return classify(this.pieces(x, list, true));
  }
}

export function buildNet(plan: NetPlan): Net {
  const input = plan.flat ? [plan.channels * 8] : [plan.channels, 8, 8];
  return net({ input, classes: plan.classes }, (x) => new Artist().trace(plan, plan.pieces, x));
}

/** Random weights for every parameter: biases, scales, running statistics and temperatures too. */
export function randomWeights(of: Net, seed: number): Map<string, NDArray> {
  const random = seeded(seed);
  const weights = materialize(parametersOf(of), seed);
  const spread = (name: string): [number, number] | undefined => {
    if (/scale$/.test(name)) return [1, 0.2];
    if (/(bias|mean)$/.test(name)) return [0, 0.3];
    return undefined;
  };
  for (const [name, value] of weights) {
    const range = spread(name);
    const draw = range
      ? () => range[0] + range[1] * normal(random)
      : /(variance|temperature)$/.test(name)
        ? () => 0.5 + random()
        : undefined;
    if (draw) weights.set(name, ndarray('float32', value.dims, Array.from(value.data as ArrayLike<number>, draw)));
  }
  return weights;
}

/** `rows` random inputs of a net; they differ in size, so that easy and hard ones are among them. */
export function randomInput({ spec }: Net, rows: number, seed: number): NDArray {
  const random = seeded(seed ^ 0x5bd1e995);
  const size = sizeOf(spec.input);
  const data = new Float32Array(rows * size);
  for (let i = 0; i < rows; i++) {
    const amplitude = 0.3 + 2 * random();
    for (let j = 0; j < size; j++) data[i * size + j] = amplitude * normal(random);
  }
  return ndarray('float32', [rows, ...spec.input], data);
}

/** Everything a case stands for. */
export function realise({ plan, seed, batch }: Case): { net: Net; weights: Map<string, NDArray>; x: NDArray } {
  const made = buildNet(plan);
  return { net: made, weights: randomWeights(made, seed), x: randomInput(made, batch, seed) };
}
