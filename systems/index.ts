/** The gallery: every system that DynaNeural holds or plans, and how one is run. */

export { systemById, systems } from './list.ts';
export { planned } from './planned.ts';
export type { Context } from './shared/context.ts';
export { galleryPage } from './shared/page.ts';
export { plotSvg } from './shared/plot.ts';
export { type RunOptions, type RunOutcome, readResult, runSystem, trainShared } from './shared/run.ts';
export type * from './shared/system.ts';
export { headline, resultText } from './shared/text.ts';
