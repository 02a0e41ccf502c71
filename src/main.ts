#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { UsageError } from './errors.ts';
import { runCommand } from './commands/command-line.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

try {
  process.exitCode = await runCommand(process.argv.slice(2), process.env, version);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  const problems = error.problems.map((problem) => `  ${problem}\n`).join('');
  process.stderr.write(`pg-entra-proxy cannot start:\n${problems}See pg-entra-proxy --help.\n`);
  process.exitCode = 2;
}
