/** What went wrong, as a word that programs can test. */
export type ErrorCode =
  | 'shape' // a tensor's shape does not fit, at trace or at run time
  | 'dtype' // a tensor's element type does not fit
  | 'graph' // a graph that cannot be built or lowered as asked
  | 'gradient' // no gradient exists on the path to a parameter
  | 'data' // a data set or an input that cannot be used
  | 'download' // a file could not be fetched or is not the pinned one
  | 'file' // a file could not be read or written
  | 'model' // not a model that this library can use
  | 'certificate' // a certificate that cannot be given, or does not fit its model
  | 'training' // training cannot go on (NaN loss, a checkpoint of another recipe)
  | 'runtime' // the engine refused
  | 'usage'; // a call or a command line that cannot be understood

/**
 * The one error that users see: a sentence that says what was expected, what came, and what to do.
 *
 * @example
 * throw new DynaError('shape', 'conv "stem" expects 4 dimensions [N, C, H, W], got [N, 784]', { fix: 'reshape the input first' })
 */
export class DynaError extends Error {
  readonly code: ErrorCode;
  /** What the user can do about it, where we know. */
  readonly fix: string | undefined;

  constructor(code: ErrorCode, message: string, options: { fix?: string; cause?: unknown } = {}) {
    super(
      options.fix ? `${message}; ${options.fix}` : message,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = 'DynaError';
    this.code = code;
    this.fix = options.fix;
  }
}
