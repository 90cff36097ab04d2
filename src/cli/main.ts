#!/usr/bin/env node
import { main } from './program.ts';

// Warnings (of the planner, of a resumed training) as one line of ours, not as Node's own with its process number.
process.removeAllListeners('warning');
process.on('warning', ({ message }) => process.stderr.write(`note: ${message}\n`));

process.exitCode = await main(process.argv.slice(2));
