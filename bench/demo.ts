import { demo } from '../src/demo/index.ts';
import { writeResult } from './results.ts';

/** The demo's figures, as committed. */
export async function run(): Promise<void> {
  const { summary, text } = await demo({ onNote: console.log });
  console.log(text.join('\n'));
  await writeResult(`demo-${summary.dataset}`, 'npm run bench -- demo', summary);
}
