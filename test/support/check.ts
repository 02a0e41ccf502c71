import assert from 'node:assert/strict';
import type { Step, StepId, StepStatus } from '../../src/check/step.ts';
import { assertKept } from './canary.ts';
import { type Exit, runProgram } from './program.ts';

/** A step as `check --json` tells it. */
export interface ToldStep extends Pick<Step, 'id' | 'server' | 'status' | 'summary' | 'repair'> {
  readonly clientUser: string | null;
  readonly details: Step['facts'];
}

/** What `check --json` printed. */
export interface CheckResult extends Exit {
  readonly stdout: string;
  readonly outcome: string;
  readonly steps: readonly ToldStep[];
  /** A step that must be there, once. */
  step(id: StepId, clientUser?: string): ToldStep;
  /** The values of all facts of that name. */
  facts(id: StepId, name: string, clientUser?: string): string[];
  /** The repair of a step as one text; SQL in lines of its own. */
  repair(id: StepId, clientUser?: string): string;
  /** Each step's status, in the order of the steps; for client users, `role report`. */
  readonly statuses: Readonly<Record<string, StepStatus>>;
}

/**
 * Runs `check --json` to its end; fails if it says anything else, or if a secret is in what it says.
 *
 * @param secrets - what must not be in the output.
 */
export async function check(
  args: readonly string[],
  secrets: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CheckResult> {
  const { code, signal, stdout, stderr } = await runProgram(['check', ...args, '--json'], env);
  for (const secret of secrets) assertKept(secret, stdout + stderr, 'the output');
  assert.equal(stderr, '');
  const { outcome, steps } = JSON.parse(stdout) as { outcome: string; steps: ToldStep[] };
  const step = (id: StepId, clientUser?: string): ToldStep => {
    const found = steps.filter((one) => one.id === id && one.clientUser === (clientUser ?? null));
    assert.equal(found.length, 1, `${id} is told ${found.length} times`);
    return found[0] as ToldStep;
  };
  return {
    code,
    signal,
    stdout,
    outcome,
    steps,
    step,
    facts: (id, name, clientUser) =>
      step(id, clientUser).details.flatMap((fact) => (fact.name === name ? [fact.value] : [])),
    repair: (id, clientUser) =>
      step(id, clientUser)
        .repair.map((one) => ('sql' in one ? one.sql : one.text))
        .join('\n'),
    statuses: Object.fromEntries(
      steps.map(({ id, clientUser, status }) => [
        `${id}${clientUser === null ? '' : ` ${clientUser}`}`,
        status,
      ]),
    ),
  };
}

/** What every step says of a server that is as it should be. */
export const ALL_WELL: Readonly<Record<StepId, StepStatus>> = {
  dns: 'ok',
  tcp: 'ok',
  'ssl-request': 'ok',
  tls: 'ok',
  credential: 'ok',
  claims: 'ok',
  login: 'ok',
  role: 'ok',
  server: 'ok',
  'local-port': 'ok',
};

/** The same, with what does not work without a connection to the server. */
export const NOT_REACHED = {
  ...ALL_WELL,
  login: 'skipped',
  role: 'skipped',
  server: 'skipped',
} as const satisfies typeof ALL_WELL;
