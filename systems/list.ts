import { adaptiveDepth } from './adaptive-depth/index.ts';
import { channelGating } from './channel-gating/index.ts';
import { deformable } from './deformable/index.ts';
import { dynamicDense } from './dynamic-dense/index.ts';
import { dynstatic } from './dynstatic/index.ts';
import { earlyExit } from './early-exit.ts';
import { scheduling } from './gumbel/index.ts';
import { planned } from './planned.ts';
import { sceneVit } from './scene-vit/index.ts';
import type { System } from './shared/system.ts';

const working: readonly System[] = [
  earlyExit,
  adaptiveDepth,
  scheduling,
  dynstatic,
  deformable,
  channelGating,
  dynamicDense,
  sceneVit,
];

/** All systems, those that work first. */
export const systems: readonly System[] = [...working, ...planned];

export const systemById = (id: string): System | undefined => systems.find((s) => s.id === id);
