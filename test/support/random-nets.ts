import fc from 'fast-check';

/** Which earlier tensor a link or a gate takes: counted modulo how many there are. */
type Pick = number;

/** A layer without decisions. */
export type Layer =
  | { readonly kind: 'conv'; readonly width: number; readonly stride: 1 | 2; readonly norm: 'batch' | 'group' | false }
  | { readonly kind: 'residual'; readonly width: number; readonly stride: 1 | 2; readonly bottleneck: boolean }
  | { readonly kind: 'depthwise' | 'batchNorm' | 'relu' | 'shared' }
  | { readonly kind: 'pool'; readonly mean: boolean }
  /** Concatenates an earlier tensor: a dense link. */
  | { readonly kind: 'link'; readonly from: Pick }
  /** Keeps some of its output channels. */
  | {
      readonly kind: 'channels';
      readonly width: number;
      readonly stride: 1 | 2;
      readonly norm: 'batch' | false;
      readonly top: boolean;
    }
  /** Reads its input at places of its own. */
  | { readonly kind: 'deformable'; readonly width: number }
  /** Weighs kernels. */
  | { readonly kind: 'mixture'; readonly width: number; readonly kernels: number }
  /** Adds an earlier tensor, projected where its shape differs: a long shortcut. */
  | { readonly kind: 'shortcut'; readonly from: Pick };

/** A decision among regions. */
export type Choice =
  /** Identity or a body. */
  | { readonly kind: 'skip'; readonly body: readonly Piece[]; readonly gate: Pick; readonly flip: boolean }
  /** One of two or three bodies with one signature; two by a threshold or by argmax, three by argmax. */
  | {
      readonly kind: 'oneOf';
      readonly bodies: readonly (readonly Piece[])[];
      readonly width: number;
      readonly stride: 1 | 2;
      readonly argmax: boolean;
      readonly gate: Pick;
    }
  /** The inner decision's result is used only inside the outer one. */
  | { readonly kind: 'lazy'; readonly inner: Choice; readonly body: readonly Piece[]; readonly gate: Pick }
  /** Shares of one set of weights. */
  | { readonly kind: 'widths'; readonly three: boolean; readonly gate: Pick }
  /** The best one or two of three bodies. */
  | {
      readonly kind: 'experts';
      readonly bodies: readonly (readonly Piece[])[];
      readonly width: number;
      readonly top: 1 | 2;
      readonly gate: Pick;
    }
  /** Two edges, the first of which may be dropped. */
  | { readonly kind: 'dense'; readonly from: Pick; readonly width: number; readonly gate: Pick }
  /** Neither option computes anything of its own. */
  | { readonly kind: 'either'; readonly from: Pick; readonly gate: Pick };

export type Piece = Layer | Choice;

export interface Exit {
  readonly kind: 'exit';
  /** `gate` looks at the features alone, so that the head runs only for those who leave. */
  readonly policy: 'confidence' | 'entropy' | 'patience' | 'gate';
  readonly head: 'pooled' | 'flat' | 'conv';
}

/** What a random net is made of; shrinks to shorter lists. */
export interface NetPlan {
  /** Spatial nets see [channels, 8, 8], flat ones [channels * 8]. */
  readonly flat: boolean;
  readonly channels: number;
  readonly classes: number;
  readonly stem: boolean;
  readonly pieces: readonly (Piece | Exit)[];
}

/** A net with its numbers: weights, inputs, thresholds all follow from it. */
export interface Case {
  readonly plan: NetPlan;
  readonly seed: number;
  readonly batch: number;
  /** How each decision's threshold is chosen, in turn; see `pickThreshold`. */
  readonly thresholds: readonly number[];
}

const index = fc.nat({ max: 50 });
const width = fc.constantFrom(2, 4, 8);
const stride = fc.constantFrom<1 | 2>(1, 2);

const layer: fc.Arbitrary<Layer> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('conv' as const),
      width,
      stride,
      norm: fc.constantFrom('batch' as const, 'group' as const, false as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('residual' as const), width, stride, bottleneck: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('depthwise' as const, 'batchNorm' as const, 'relu' as const, 'shared' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pool' as const), mean: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('channels' as const),
      width,
      stride,
      norm: fc.constantFrom('batch' as const, false as const),
      top: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deformable' as const), width }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('mixture' as const), width, kernels: fc.integer({ min: 2, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('link' as const, 'shortcut' as const), from: index }) },
);

function choice(depth: number): fc.Arbitrary<Choice> {
  const inner: fc.Arbitrary<Piece> =
    depth > 1
      ? fc.oneof({ weight: 2, arbitrary: layer as fc.Arbitrary<Piece> }, { weight: 1, arbitrary: choice(depth - 1) })
      : layer;
  const body = fc.array(inner, { maxLength: 2 });
  const bodies = fc.oneof(
    fc.array(body, { minLength: 2, maxLength: 2 }),
    fc.array(body, { minLength: 3, maxLength: 3 }),
  );
  return fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('skip' as const), body, gate: index, flip: fc.boolean() }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('oneOf' as const),
        bodies,
        width,
        stride,
        argmax: fc.boolean(),
        gate: index,
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('either' as const), from: index, gate: index }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('widths' as const), three: fc.boolean(), gate: index }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('dense' as const), from: index, width, gate: index }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('experts' as const),
        bodies: fc.array(body, { minLength: 3, maxLength: 3 }),
        width,
        top: fc.constantFrom<1 | 2>(1, 2),
        gate: index,
      }),
    },
    ...(depth > 1
      ? [
          {
            weight: 1,
            arbitrary: fc.record({ kind: fc.constant('lazy' as const), inner: choice(depth - 1), body, gate: index }),
          },
        ]
      : []),
  );
}

const exit: fc.Arbitrary<Exit> = fc.record({
  kind: fc.constant('exit' as const),
  policy: fc.constantFrom('confidence' as const, 'entropy' as const, 'patience' as const, 'gate' as const),
  head: fc.constantFrom('pooled' as const, 'flat' as const, 'conv' as const),
});

const MOST_EXITS = 4;

export const netPlan: fc.Arbitrary<NetPlan> = fc.record({
  flat: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  channels: fc.constantFrom(1, 2, 4),
  classes: fc.integer({ min: 2, max: 5 }),
  stem: fc.boolean(),
  pieces: fc
    .array(
      fc.oneof(
        { weight: 3, arbitrary: layer as fc.Arbitrary<Piece | Exit> },
        { weight: 3, arbitrary: choice(3) },
        { weight: 2, arbitrary: exit },
      ),
      { minLength: 1, maxLength: 9 },
    )
    .map((pieces) => {
      let exits = 0;
      return pieces.filter((p) => p.kind !== 'exit' || ++exits <= MOST_EXITS);
    })
    // A net without any decision shows nothing.
    .map((pieces) =>
      pieces.some((p) => p.kind === 'exit' || p.kind === 'skip' || p.kind === 'oneOf' || p.kind === 'lazy')
        ? pieces
        : [{ kind: 'exit', policy: 'confidence', head: 'pooled' } as const, ...pieces],
    ),
});

/** Random nets with weights, thresholds and a number of rows. */
export const randomCase = (batches: readonly number[] = [1, 2, 7, 33]): fc.Arbitrary<Case> =>
  fc.record({
    plan: netPlan,
    seed: fc.nat({ max: 1_000_000 }),
    batch: fc.constantFrom(...batches),
    thresholds: fc.array(fc.nat({ max: 999 }), { minLength: 4, maxLength: 12 }),
  });

/** How many random nets each property sees. */
export const runs = (usual: number): number => Number(process.env.DYNANEURAL_RUNS ?? usual);
