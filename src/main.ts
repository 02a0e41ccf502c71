#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runCommand } from './commands/command-line.ts';
import { UsageError } from './errors.ts';

// Relayed bytes are garbage at once. A young generation that does not grow stays in the processor's cache: a quarter
// less CPU for streams, and 20 KB less memory for an idle session (docs/performance.md).
setFlagsFromString('--semi-space-growth-factor=1');

// Nothing turns verification off, also not towards Entra. Commands that are run (exec) get what they were given.
const env = { ...process.env };
if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
  process.stderr.write(
    'pg-entra-proxy: NODE_TLS_REJECT_UNAUTHORIZED=0 does nothing here: certificates are verified\n',
  );
delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];

// Else Node.js opens its debugger to every user of this machine, and the token with it.
process.on('SIGUSR1', () => {});

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** After the end of the command: for the last words to leave, not for anybody to read them. */
const LAST_WORDS_MS = 200;

// Whoever reads the output may have seen enough: pg-entra-proxy --help | head.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE') return;
  process.stderr.write(`pg-entra-proxy: standard output cannot be written to (${code})\n`);
  process.exitCode = 1;
});

try {
  process.exitCode = await runCommand(process.argv.slice(2), env, version);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  const problems = error.problems.map((problem) => `  ${problem}\n`).join('');
  process.stderr.write(`pg-entra-proxy cannot start:\n${problems}See pg-entra-proxy --help.\n`);
  process.exitCode = 2;
}

// Whatever still lingers then (a client that does not hang up, say) is not worth waiting for.
setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
