import type { Ask, Engine, EngineMethod, Reply } from './protocol.ts';

interface Waiting {
  resolve(value: never): void;
  reject(error: Error): void;
}

/** The engine as the page sees it: each call is a message to a worker of its own. */
export interface RemoteEngine extends Engine {
  close(): void;
}

/** Starts a worker. @throws (its calls) an Error whose message is a sentence for people */
export function startEngine(): RemoteEngine {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const waiting = new Map<number, Waiting>();
  let next = 0;
  worker.onmessage = ({ data }: MessageEvent<Reply>): void => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if ('error' in data) call?.reject(new Error(data.error));
    else call?.resolve(data.value as never);
  };
  worker.onerror = (event): void => {
    const error = new Error(`the engine stopped: ${event.message || 'its files could not be loaded'}`);
    for (const call of waiting.values()) call.reject(error);
    waiting.clear();
  };
  const ask =
    <M extends EngineMethod>(method: M): Engine[M] =>
    (...args: readonly unknown[]) =>
      new Promise<never>((resolve, reject) => {
        const id = next++;
        waiting.set(id, { resolve, reject });
        worker.postMessage({ id, method, args } satisfies Ask);
      }) as never;
  return {
    open: ask('open'),
    run: ask('run'),
    observe: ask('observe'),
    time: ask('time'),
    why: ask('why'),
    check: ask('check'),
    gradientFile: ask('gradientFile'),
    close: () => worker.terminate(),
  };
}
