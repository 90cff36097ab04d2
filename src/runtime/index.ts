export type { Arrays, SessionOptions, TensorSpec } from './backend.ts';
export { blockSize } from './blocked.ts';
export { type Environment, environment } from './environment.ts';
export { type Cost, type Execution, type Profile, type ProfileOptions, profile, type TensorShape } from './profile.ts';
export { compileInWorker, openStateInWorker, type WorkerRunner } from './remote.ts';
export { compile, openSessions, type Runner, type RunOptions } from './runner.ts';
export {
  type CallOptions,
  type GraphSignature,
  openState,
  type StateOptions,
  type StatePair,
  type StateRunner,
} from './state.ts';
