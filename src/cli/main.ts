#!/usr/bin/env node
import { main } from './program.ts';

const args = process.argv.slice(2);

// Warnings as one line of ours, not as Node's own with its process number. What the planner says of a net belongs to its
// training; commands that only trace it again need not repeat it.
process.removeAllListeners('warning');
process.on('warning', ({ message, code }: Error & { readonly code?: string }) => {
  const wanted = code !== 'DYNA_PLAN' || args[0] === 'train';
  if (wanted && !args.includes('--quiet')) process.stderr.write(`note: ${message}\n`);
});

process.exitCode = await main(args);
