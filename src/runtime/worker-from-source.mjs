// Starts worker.ts without a build. tsx's `--import` hook serves the main thread alone, so a worker registers it by itself.
import { register } from 'tsx/esm/api';

register();
await import('./worker.ts');
