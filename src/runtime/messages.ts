import { DynaError, type ErrorCode } from '../errors.ts';
import type { NDArray } from '../graph/array.ts';
import type { Arrays, SessionOptions, TensorSpec } from './backend.ts';
import type { RunOptions } from './runner.ts';
import type { CallOptions, GraphSignature, StateOptions } from './state.ts';

/** What a worker can be asked, and what it answers. */
export interface Calls {
  openRunner: (
    bytes: Uint8Array,
    options: SessionOptions,
  ) => { inputs: readonly TensorSpec[]; outputs: readonly TensorSpec[] };
  openState: (graphs: Readonly<Record<string, Uint8Array>>, options: StateOptions) => Record<string, GraphSignature>;
  run: (feeds: Arrays, options: RunOptions) => Arrays;
  call: (graph: string, feeds: Arrays, options: CallOptions) => Arrays;
  read: () => Arrays;
  write: (state: Arrays) => undefined;
  close: () => undefined;
}

export type Method = keyof Calls;
export interface Request {
  readonly id: number;
  readonly method: Method;
  readonly args: readonly unknown[];
}
export type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: PlainError };

/** Two cells of memory that both threads see. */
export const RUNNING = 0; // 1 while the worker is inside the engine
export const STOP = 1; // 1 once the owner wants no further call begun

/** An error in a form that crosses threads with its code. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly fix: string | undefined;
  readonly cause: string | undefined;
}

export function toPlainError(error: unknown): PlainError {
  const cause = error instanceof Error ? error.cause : undefined;
  return {
    code: error instanceof DynaError ? error.code : 'runtime',
    message: error instanceof Error ? error.message : String(error),
    fix: error instanceof DynaError ? error.fix : undefined,
    cause: cause instanceof Error ? cause.message : undefined,
  };
}

export function fromPlainError({ code, message, fix, cause }: PlainError): DynaError {
  const ending = fix ? `; ${fix}` : '';
  const first = ending && message.endsWith(ending) ? message.slice(0, -ending.length) : message;
  return new DynaError(code, first, {
    ...(fix === undefined ? {} : { fix }),
    ...(cause === undefined ? {} : { cause: new Error(cause) }),
  });
}

/**
 * Arrays as they should be posted, and the memory to hand over with them. With `give` the arrays' own memory goes, otherwise
 * a copy. A view into larger memory is always copied, or all of that memory would go.
 */
export function pack(arrays: Arrays, give: boolean): { arrays: Arrays; transfer: ArrayBuffer[] } {
  const packed: Arrays = {};
  const transfer = new Set<ArrayBuffer>();
  for (const [name, a] of Object.entries(arrays)) {
    const whole = a.data.buffer instanceof ArrayBuffer && a.data.byteLength === a.data.buffer.byteLength;
    const sent: NDArray = { dtype: a.dtype, dims: [...a.dims], data: give && whole ? a.data : a.data.slice() };
    packed[name] = sent;
    transfer.add(sent.data.buffer as ArrayBuffer);
  }
  return { arrays: packed, transfer: [...transfer] };
}
