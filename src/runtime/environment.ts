import { availableParallelism, cpus, totalmem } from 'node:os';
import { backend } from './backend.ts';

/** The machine and engine that a result was made on. */
export interface Environment {
  readonly node: string;
  readonly engine: string;
  readonly engineVersion: string;
  /** Execution providers that need nothing more to be installed. */
  readonly providers: readonly string[];
  readonly platform: string;
  readonly cpu: string;
  /** Cores that this process may use. */
  readonly cores: number;
  readonly memoryGiB: number;
}

/**
 * Tells where we run; goes into every results file.
 *
 * @throws DynaError 'runtime' when the engine cannot be loaded
 */
export async function environment(): Promise<Environment> {
  const { name, version, providers } = await backend();
  return {
    node: process.versions.node,
    engine: name,
    engineVersion: version,
    providers,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  };
}
