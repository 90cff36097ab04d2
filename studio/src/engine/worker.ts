import { WorkerEngine } from './engine.ts';
import type { Ask, Reply } from './protocol.ts';

const engine = new WorkerEngine();
const post = (reply: Reply): void => self.postMessage(reply);

/** Questions are answered one after another: the engine has one thread of control. */
let last: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<Ask>): void => {
  last = last.then(() => answer(data));
};

async function answer({ id, method, args }: Ask): Promise<void> {
  try {
    const call = engine[method] as (...args: readonly unknown[]) => Promise<unknown>;
    post({ id, value: await call.apply(engine, args as unknown[]) });
  } catch (error) {
    post({ id, error: error instanceof Error ? error.message : String(error) });
  }
}
