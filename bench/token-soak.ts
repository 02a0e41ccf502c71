/**
 * Logs in without end while the token endpoint breaks in every way there is. Fails if a login failed
 * although the program had a valid token, or if the program ended.
 *
 *     node bench/token-soak.ts --minutes 5
 *     node bench/token-soak.ts --figures
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createFaultSwitch, FAULTS, type Fault, refuse } from '../test/support/faults.ts';
import { printFigures } from './token-figures.ts';
import { startTokenStand, type TokenStand } from './token-stand.ts';

const LIFETIME_S = 20;
const CLIENTS = 4;
const PAUSE_MS = 20;
const FAULT_MS = { least: 500, most: 15_000 };
const GAP_MS = { least: 500, most: 12_000 };

/** The cache does not hand out a token in its last second, and a login takes a moment. */
const SLACK_MS = 1_000;

const INVALID_PASSWORD = '28P01';

export interface SoakOptions {
  readonly durationMs: number;
  /** Scales how long faults and the gaps between them are. */
  readonly scale?: number;
  readonly lifetimeSeconds?: number;
  readonly refreshInSeconds?: number;
}

export interface SoakReport {
  logins: number;
  /** Failed while there was no valid token. */
  excusedFailures: number;
  /** Failed because the server knew only a token that was lost on its way: in Entra, the one before still holds. */
  failuresOfLostTokens: number;
  /** Failed while there was one: what they were told. */
  readonly failures: string[];
  readonly faults: Record<string, number>;
  tokens: number;
  requests: number;
  /** The longest of the logins that a valid token was there for, and of those that were refused. */
  longestLoginMs: number;
  longestRefusalMs: number;
  /** The program's lines about its token, above the level debug. */
  tokenLines: number;
  hasEnded: boolean;
}

type Hold = PromiseWithResolvers<'normal' | 'handled'>;

/** The faults that come to an end with an answer, or never. */
function longFaults(stand: TokenStand, holds: Hold[]): Record<string, () => void> {
  const { entra } = stand;
  const pause = (response: Parameters<Fault>[1], status: number): void =>
    refuse(response, status, { 'retry-after': '2' });
  return {
    'leaves every request unanswered': () => {
      entra.behave = () => 'handled';
    },
    'answers when the fault is over': () => {
      entra.behave = async (_request, response) => {
        const hold = Promise.withResolvers<'normal' | 'handled'>();
        holds.push(hold);
        await hold.promise;
        // Nobody waits any more: a token made now would end the one in use.
        return response.closed || response.destroyed ? 'handled' : 'normal';
      };
    },
    'has no name any more': () => void stand.dns.forget(),
    'answers 429 with Retry-After': () =>
      createFaultSwitch(entra).on((_request, response) => pause(response, 429)),
    'answers 503 with Retry-After': () =>
      createFaultSwitch(entra).on((_request, response) => pause(response, 503)),
  };
}

async function disturb(
  stand: TokenStand,
  report: SoakReport,
  scale: number,
  signal: AbortSignal,
): Promise<void> {
  const holds: Hold[] = [];
  const faults: Record<string, () => void> = {
    ...longFaults(stand, holds),
    ...Object.fromEntries(
      Object.entries(FAULTS).map(([name, fault]) => [name, () => createFaultSwitch(stand.entra).on(fault)]),
    ),
  };
  const wait = ({ least, most }: typeof FAULT_MS): Promise<unknown> =>
    delay((least + Math.random() * (most - least)) * scale, undefined, { signal }).catch(() => {});
  let names: string[] = [];
  while (!signal.aborted) {
    await wait(GAP_MS);
    // Each once before one comes again.
    if (names.length === 0) names = Object.keys(faults).toSorted(() => Math.random() - 0.5);
    const name = names.pop() ?? '';
    report.faults[name] = (report.faults[name] ?? 0) + 1;
    faults[name]?.();
    await wait(FAULT_MS);
    stand.entra.behave = undefined;
    await stand.dns.know();
    for (const hold of holds.splice(0)) hold.resolve('normal');
  }
}

async function keepLoggingIn(stand: TokenStand, report: SoakReport, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const before = stand.issued;
    const start = Date.now();
    const error = await stand.logIn().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    const took = Date.now() - start;
    const hadToken = before.at > 0 && Date.now() < before.expiresAt - SLACK_MS;
    if (error === undefined) report.logins += 1;
    else if (hadToken && isRefusal(error) && !(await stand.holdsLastToken()))
      report.failuresOfLostTokens += 1;
    else if (hadToken) report.failures.push(error instanceof Error ? error.message : 'no error');
    else report.excusedFailures += 1;
    if (error !== undefined) report.longestRefusalMs = Math.max(report.longestRefusalMs, took);
    else if (hadToken) report.longestLoginMs = Math.max(report.longestLoginMs, took);
    await delay(PAUSE_MS);
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === INVALID_PASSWORD;
}

export async function soak({ durationMs, scale = 1, ...tokens }: SoakOptions): Promise<SoakReport> {
  await using stand = await startTokenStand({ lifetimeSeconds: LIFETIME_S, ...tokens });
  const report: SoakReport = {
    logins: 0,
    excusedFailures: 0,
    failuresOfLostTokens: 0,
    failures: [],
    faults: {},
    tokens: 0,
    requests: 0,
    longestLoginMs: 0,
    longestRefusalMs: 0,
    tokenLines: 0,
    hasEnded: false,
  };
  await stand.logIn();
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), durationMs);
  const clients = Array.from({ length: CLIENTS }, () => keepLoggingIn(stand, report, end.signal));
  await Promise.all([disturb(stand, report, scale, end.signal), ...clients]);
  clearTimeout(timer);
  report.tokens = stand.minted;
  report.requests = stand.entra.requests;
  report.tokenLines = stand.program.stderr.split('\n').filter((line) => /"event":"token/.test(line)).length;
  report.hasEnded = stand.program.child.exitCode !== null;
  return report;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { minutes: { type: 'string', default: '5' }, figures: { type: 'boolean', default: false } },
  });
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  if (values.figures) return printFigures(say);
  const report = await soak({ durationMs: Number(values.minutes) * 60_000 });
  say(JSON.stringify(report, null, 2));
  if (report.failures.length > 0 || report.hasEnded) process.exitCode = 1;
}

if (import.meta.main) await main();
