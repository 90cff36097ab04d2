import glue from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import * as ort from 'onnxruntime-web/wasm';
import type { NDArray } from '../../../src/graph/array.ts';

/** Shared memory, and with it threads, is there for pages that are isolated from other origins. */
const threads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;

ort.env.wasm.wasmPaths = { mjs: new URL(glue, import.meta.url).href, wasm: new URL(wasm, import.meta.url).href };
ort.env.wasm.numThreads = threads;
ort.env.logLevel = 'error';

export { threads };

/** A session of the engine. Sessions of one worker share its memory and run one after another. */
export class Session {
  readonly #session: ort.InferenceSession;

  private constructor(session: ort.InferenceSession) {
    this.#session = session;
  }

  static async open(bytes: Uint8Array): Promise<Session> {
    return new Session(await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'], logSeverityLevel: 3 }));
  }

  get inputs(): readonly string[] {
    return this.#session.inputNames;
  }

  async run(feeds: Readonly<Record<string, NDArray>>, outputs?: readonly string[]): Promise<Record<string, NDArray>> {
    const tensors = Object.entries(feeds).map(([name, { data, dims }]) => [
      name,
      new ort.Tensor('float32', data as Float32Array, dims),
    ]);
    const fed = Object.fromEntries(tensors) as Record<string, ort.Tensor>;
    const results = await this.#session.run(fed, outputs ?? this.#session.outputNames);
    return Object.fromEntries(
      Object.entries(results).map(([name, t]) => [
        name,
        { dtype: 'float32', dims: t.dims, data: t.data as Float32Array } satisfies NDArray,
      ]),
    );
  }

  close(): Promise<void> {
    return this.#session.release();
  }
}
