/** Figures of the demo: what `summary.json` holds. All accuracies are of the untouched test split, shares in 0..1. */
export interface Summary {
  readonly dataset: string;
  readonly seed: number;
  readonly machine: string;
  readonly commit: string;
  readonly command: string;
  readonly full: Reference;
  readonly static: Reference;
  readonly dynamic: Reference & { readonly ms1p95: number; readonly ms1NobodyExits: number };
  /** Static over dynamic. */
  readonly speedup1: number;
  readonly speedup64: number;
  readonly macSpeedup: number;
  readonly realisation1: number;
  readonly realisation64: number;
  /** For one image, with each gate-free cut timed on a stream of its own, where its weights stay in the caches. */
  readonly realisation1Warm: number;
  readonly exits: readonly { readonly name: string; readonly share: number; readonly accuracy: number }[];
  readonly certificate: {
    readonly risk: string;
    readonly method: string;
    readonly epsilon: number;
    readonly delta: number;
    readonly n: number;
  };
  readonly training: { readonly epochs: number; readonly seconds: number; readonly imagesPerSecond: number };
  readonly baseline: { readonly sameMacs: { readonly accuracy: number | null; readonly macs: number | null } };
  /** Where figures that this run did not make come from, and other remarks, in sentences. */
  readonly notes: readonly string[];
}

export interface Reference {
  /** null where it could not be had (see `notes`). */
  readonly accuracy: number | null;
  /** Mean multiply-accumulates of an input. */
  readonly macs: number;
  /** One image, milliseconds. */
  readonly ms1: number;
  /** A batch of 64, milliseconds divided by 64. */
  readonly ms64: number;
}

/** One operating point on the test split. */
export interface CurvePoint {
  /** Mean share of the full MACs. */
  readonly budget: number;
  readonly accuracy: number;
  readonly macs: number;
  /** Expected time for one image: the paths' measured times, weighted by the shares. */
  readonly ms1: number;
  readonly shares: readonly number[];
  readonly certified: boolean;
  readonly chosen: boolean;
}

export interface Example {
  /** Raw pixels 0..255, channels first. */
  readonly pixels: Uint8Array;
  readonly label: string;
  readonly answer: string;
  /** Calibrated probability of the answer. */
  readonly confidence: number;
}

export interface ExitReport {
  readonly name: string;
  readonly share: number;
  readonly accuracy: number;
  /** The surest and the least sure of the inputs that left here. */
  readonly easiest: readonly Example[];
  readonly hardest: readonly Example[];
  /** Counts of calibrated confidence in 20 bins over 0..1, of all inputs that reached this exit. */
  readonly histogram: { readonly right: readonly number[]; readonly wrong: readonly number[] };
}

export interface ReportData {
  readonly summary: Summary;
  /** The certificate in a sentence. */
  readonly statement: string;
  readonly imageShape: readonly number[];
  readonly exits: readonly ExitReport[];
  readonly curve: readonly CurvePoint[];
  readonly epochs: readonly {
    readonly epoch: number;
    readonly loss: number;
    readonly accuracy: Readonly<Record<string, number>>;
  }[];
}
