import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { loadProgramSettings, nearFlag, type RawFlags } from '../config/load.ts';
import { parseTimeout } from '../config/parsers.ts';
import { UsageError } from '../errors.ts';
import { describeError } from '../log.ts';
import { type AdminAnswer, type AdminTarget, adminOrigin, askAdmin } from './admin-client.ts';
import { ADMIN_SETTINGS, DEFAULT_WAIT, SHUTDOWN, WAIT } from './manual/admin.ts';
import { parseCommand, print, printHelp } from './parser.ts';

/** How often a proxy that is not ready is asked again, in milliseconds. */
const INTERVAL_MS = 100;

/** How long a single answer may take, in milliseconds. */
const ANSWER_TIMEOUT_MS = 5_000;

/** `wait` and `shutdown`: talk to the admin listener of a proxy that runs. */
export async function runAdminCommand(
  command: 'wait' | 'shutdown',
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  version: string,
): Promise<number> {
  const told = command === 'wait' ? WAIT : SHUTDOWN;
  const { words, flags, wanted } = await parseCommand(told, argv);
  if (wanted === 'help') return printHelp(told);
  if (wanted === 'version') return print(version);
  const { timeout = DEFAULT_WAIT, ...settings } = flags;
  const isWait = command === 'wait';
  const problems = words.map((word) => `${command} takes no server, and no "${word}"`);
  if (!isWait && 'timeout' in flags) problems.push('shutdown does not take --timeout');
  const timeoutMs = readTimeout(timeout, problems);
  const target = readTarget(command, settings, env, problems);
  return isWait ? waitUntilStarted(target, timeoutMs) : shutDown(target);
}

function readTimeout(timeout: unknown, problems: string[]): number {
  try {
    return parseTimeout(String(timeout));
  } catch (error) {
    problems.push(`--timeout ${(error as Error).message}`);
    return 0;
  }
}

/** @throws UsageError with every problem there is. */
function readTarget(
  command: string,
  flags: RawFlags,
  env: NodeJS.ProcessEnv,
  problems: string[],
): AdminTarget {
  const takes = [...ADMIN_SETTINGS, ...(command === 'wait' ? ['timeout'] : [])];
  for (const name of Object.keys(flags))
    if (!ADMIN_SETTINGS.has(name))
      problems.push(`${command} does not take --${name}${nearFlag(name, takes)}`);
  const own = Object.fromEntries(Object.entries(flags).filter(([name]) => ADMIN_SETTINGS.has(name)));
  try {
    const { 'admin-address': address, 'admin-port': port = 0 } = loadProgramSettings(own, env);
    if (port === 0) problems.push(`${command} needs --admin-port: that of the proxy that runs`);
    if (problems.length > 0) throw new UsageError([]);
    return { address, port };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError([...problems, ...error.problems]);
  }
}

/** What is told besides the status, as far as it is looked at. */
const answerSchema = z.object({
  reasons: z.array(z.object({ message: z.string() })).optional(),
  error: z.string().optional(),
});

async function waitUntilStarted(target: AdminTarget, timeoutMs: number): Promise<number> {
  const deadline = AbortSignal.timeout(timeoutMs);
  let last: AdminAnswer | undefined;
  let why = 'no answer';
  while (!deadline.aborted) {
    try {
      const signal = AbortSignal.any([deadline, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
      // oxlint-disable-next-line no-await-in-loop -- one question after the other
      last = await askAdmin(target, 'GET', '/startup', signal);
      if (last.status === 200) return 0;
      why = reasonOf(last);
    } catch (error) {
      if (!deadline.aborted) why = describeError(error);
    }
    // oxlint-disable-next-line no-await-in-loop -- not too often
    await delay(INTERVAL_MS, undefined, { signal: deadline }).catch(() => {});
  }
  if (last !== undefined) print(last.body);
  return fail('wait', `${adminOrigin(target)} was not ready within ${timeoutMs / 1000} s: ${why}`);
}

async function shutDown(target: AdminTarget): Promise<number> {
  const origin = adminOrigin(target);
  try {
    const answer = await askAdmin(target, 'POST', '/quit', AbortSignal.timeout(ANSWER_TIMEOUT_MS));
    if (answer.status === 200 || answer.status === 202) return print(`the proxy at ${origin} stops`);
    const hint = answer.status === 403 || answer.status === 404 ? '; it needs --admin-quit for that' : '';
    return fail('shutdown', `the proxy at ${origin} refuses: ${reasonOf(answer)}${hint}`);
  } catch (error) {
    const why = describeError(error);
    return fail('shutdown', `nobody answers at ${origin}: ${why}. Does it run, with --admin-port?`);
  }
}

/** In a few words; whatever it is that answers. */
function reasonOf({ status, body }: AdminAnswer): string {
  const said = answerSchema.safeParse(parseJson(body)).data;
  const messages = said?.reasons?.map(({ message }) => message) ?? [];
  const text = [...messages, ...(said?.error === undefined ? [] : [said.error])].join('; ');
  return text === '' ? `HTTP status ${status}` : describeError(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fail(command: string, message: string): number {
  process.stderr.write(`pg-entra-proxy ${command}: ${message}\n`);
  return 1;
}
