// npm run bench -- conformance
// ONNX's own backend tests, all cases; see docs/conformance.md, which this writes.
import { writeFileSync } from 'node:fs';
import { machine } from '../src/provenance.ts';
import { conformancePage } from '../test/conformance/page.ts';
import { findSuites } from '../test/conformance/suites.ts';
import { runSuite, type StoredTallies, stored } from '../test/conformance/tally.ts';
import { writeResult } from './results.ts';

const command = 'npm run bench -- conformance';

export async function run(): Promise<void> {
  const found = findSuites();
  try {
    if (found.missing) throw new Error(`the tests of ONNX were not found: ${found.missing}; pip install onnx`);
    const suites: Record<string, StoredTallies> = {};
    for (const suite of found.suites) {
      const tallies = await runSuite(suite, (done) => {
        if (done % 100 === 0) process.stderr.write(`\r${suite.name}: ${done} of ${suite.cases.length} `);
      });
      suites[suite.name] = stored(tallies);
      process.stderr.write('\n');
    }
    await writeResult('conformance', command, { suites });
    const page = conformancePage({ command, machine: await machine(), suites });
    writeFileSync(new URL('../docs/conformance.md', import.meta.url), page);
    console.log('docs/conformance.md');
  } finally {
    found.clean();
  }
}
