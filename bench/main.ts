/**
 * The benchmark: this proxy beside direct TLS, stunnel, PgBouncer, and whatever else listens.
 *
 *     npm run bench -- --quick
 *     npm run bench -- --help
 */
import { writeFile } from 'node:fs/promises';
import { HELP } from './help.ts';
import { BenchUsageError, type Options, parseOptions } from './options.ts';
import { formatReport } from './report/report.ts';
import { runBench } from './run.ts';

/** What a shell shows for a program that a signal ended. */
const SIGNAL_STATUS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

async function main(): Promise<void> {
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const options = readOptions(say);
  if (options === undefined) return;
  // Listeners of 'exit' end every child and remove every file; Ctrl-C alone would run none of them.
  // One for each child.
  process.setMaxListeners(0);
  for (const [signal, status] of Object.entries(SIGNAL_STATUS))
    process.on(signal, () => process.exit(status));
  const report = await runBench(options, (line) => void process.stderr.write(`${line}\n`));
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  say(formatReport(report, options));
  if (report.samples.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}

function readOptions(say: (text: string) => void): Options | undefined {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options !== 'help') return options;
    say(HELP);
  } catch (error) {
    if (!(error instanceof BenchUsageError)) throw error;
    process.stderr.write(`${error.message}\nSee npm run bench -- --help.\n`);
    process.exitCode = 2;
  }
  return undefined;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
