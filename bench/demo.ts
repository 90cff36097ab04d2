import { progressFor } from '../src/cli/progress.ts';
import { demo } from '../src/demo/index.ts';
import { writeResult } from './results.ts';

/** The demo's figures, as committed. */
export async function run(): Promise<void> {
  const progress = await progressFor({ stream: process.stderr, interval: 20_000 });
  const { summary, text } = await demo({ progress, onNote: console.log });
  console.log(text.join('\n'));
  await writeResult(`demo-${summary.dataset}`, 'npm run bench -- demo', summary);
}
