import type { Net } from '../dynamic/index.ts';
import { multiExit, plain, type Task } from './multi-exit.ts';
import { vit } from './vit.ts';

export { multiExit, plain, type Task } from './multi-exit.ts';
export { type VitOptions, vit } from './vit.ts';

/** Nets that `dyna train` knows by name. */
export const zoo: Readonly<Record<string, (task: Task) => Net>> = { 'multi-exit': multiExit, plain, vit };
