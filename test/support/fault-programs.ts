import { escapeIdentifier, escapeLiteral } from 'pg';
import type { DemoEntra, EntraOptions } from '../../src/demo/entra.ts';
import { APPLICATION, type CredentialBench, type CredentialProxy, entraFlags } from './credentials.ts';
import type { LogLine } from './log.ts';
import type { Program } from './program.ts';

/** A stand-in for Entra with a role of its own, so that tests may run side by side. */
export async function startEntraFor(
  bench: CredentialBench,
  role: string,
  options: Partial<EntraOptions> = {},
): Promise<DemoEntra> {
  const { postgres } = bench.server;
  const name = escapeIdentifier(role);
  await postgres.admin(`create role ${name} login`);
  const onMint = async (token: string): Promise<void> => {
    await postgres.admin(`alter role ${name} password ${escapeLiteral(bench.keepSecret(token))}`);
  };
  return bench.startEntra({ onMint, ...options });
}

/** The program with the environment's application. */
export function startApplicationProxy(
  bench: CredentialBench,
  entra: DemoEntra,
  role: string,
): Promise<CredentialProxy> {
  const flags = ['--credential', 'environment', '--user', role, ...entraFlags(entra)];
  return bench.startProxy(flags, APPLICATION);
}

const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const;

/** What the program has logged of its token so far, at a level. */
export function tokenLines({ stderr }: Program, level: keyof typeof LEVELS): LogLine[] {
  const complete = stderr.slice(0, stderr.lastIndexOf('\n') + 1).split('\n');
  const lines = complete.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine);
  return lines.filter((line) => line['level'] === LEVELS[level] && String(line['event']).startsWith('token'));
}

/** How many failures it has logged that did not change anything. */
export function countSilentFailures(program: Program): number {
  return tokenLines(program, 'debug').filter(({ event }) => event === 'token-failed').length;
}
