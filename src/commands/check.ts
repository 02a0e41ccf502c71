import { constants } from 'node:os';
import { place } from '../check/addresses.ts';
import { type Login, ServerCheck, type Target } from '../check/check-server.ts';
import { createResolving } from '../check/dns.ts';
import { FORGET, heading, paperFor, stepText, summaryText, waiting } from '../check/report.ts';
import { outcomeOf, reportJson } from '../check/report-json.ts';
import type { Step, StepId } from '../check/step.ts';
import type { Config, ServerConfig } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { describeCredential } from './identities.ts';
import { listenAddresses } from './local-side.ts';
import { createUpstream } from './session-deps.ts';

export interface CheckOptions {
  /** One object at the end, rather than a line for each step as it is done. */
  readonly isJson: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
}

/** Added to the number of a signal, for the exit status that shells give it. */
const SIGNAL_BASE = 128;

/**
 * `pg-entra-proxy check`: looks at each server in turn, and prints what it finds.
 *
 * @returns the exit status: 1 if a step has failed, else 0.
 */
export async function check(config: Config, { isJson, env, version }: CheckOptions): Promise<number> {
  endAtOnce();
  const steps = isJson ? await printJson(config, version) : await printText(config, env);
  return outcomeOf(steps) === 'failed' ? 1 : 0;
}

/** A signal, or a reader that has gone, ends everything that is under way, token commands too. */
function endAtOnce(): void {
  const { stdout } = process;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      // The step under way stands on a line without an end.
      if (stdout.isTTY) stdout.write('\n');
      process.exit(SIGNAL_BASE + constants.signals[signal]);
    });
  stdout.on('error', () => process.exit(1));
}

async function printJson({ servers, warnings }: Config, version: string): Promise<Step[]> {
  const steps: Step[] = [];
  for (const server of servers) {
    for await (const step of createCheck(describeTarget(server)).run()) steps.push(step);
  }
  process.stdout.write(`${reportJson(version, steps, warnings)}\n`);
  return steps;
}

async function printText({ servers, warnings }: Config, env: NodeJS.ProcessEnv): Promise<Step[]> {
  const { stdout } = process;
  const paper = paperFor(stdout, env);
  const say = (text: string): void => void stdout.write(stdout.isTTY ? FORGET + text : text);
  const onBegin = (id: StepId): void => void (stdout.isTTY && say(waiting(id, paper)));
  const steps: Step[] = [];
  for (const warning of warnings) say(`${warning}\n`);
  for (const server of servers) {
    const target = describeTarget(server);
    say(heading(headingOf(target), paper));
    for await (const step of createCheck(target, onBegin).run()) {
      steps.push(step);
      say(stepText(step, paper));
    }
    say('\n');
  }
  say(summaryText(steps, paper));
  return steps;
}

function createCheck(target: Target, onBegin: (id: StepId) => void = () => {}): ServerCheck {
  const tellUser = (message: string): void => void process.stderr.write(`${message}\n`);
  return new ServerCheck(target, { resolving: createResolving(), tellUser, onBegin });
}

function describeTarget(config: ServerConfig): Target {
  const { server, settings, given, cloud, preset, clientUsers } = config;
  const login = (own: Settings, clientUser?: string): Login => ({
    clientUser,
    credential: describeCredential(own, cloud),
    role: own.user === 'auto' ? undefined : own.user,
    // What tokens for other servers are for, only who set them up knows.
    scope: own.scope ?? (preset.isAzure ? cloud.scope : undefined),
  });
  const mapped = [...clientUsers].flatMap(([name, user]) =>
    user.kind === 'identity' ? [login(user.settings, name)] : [],
  );
  return {
    server: server.host,
    upstream: createUpstream(config),
    database: settings.database ?? 'postgres',
    options: preset.options,
    logins: [login(settings), ...mapped],
    passedThrough: [...clientUsers].flatMap(([name, { kind }]) => (kind === 'passThrough' ? [name] : [])),
    listen: listenAddresses(settings, given),
  };
}

function headingOf({ server, upstream: { address, port } }: Target): string {
  return `${place(server, port)}${address === server ? '' : `, dialled at ${place(address, port)}`}`;
}
