import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { env } from 'node:process';
import { promisify } from 'node:util';
import { z } from 'zod';
import { until } from './wait.ts';

/** What .ci/image/with-image sets: an image of this clone, and what runs it (`podman` or `docker`). */
const { IMAGE: NAME = '', IMAGE_ENGINE: ENGINE = 'docker' } = env;

/** Why tests of the image must be skipped; false when they need not. */
export const noImage = NAME === '' && '.ci/image/with-image builds the image and runs a command with it';

/** What the image says of itself; Docker and Podman have some of it at different places. */
const imageSchema = z.object({
  Size: z.number(),
  Config: z.object({
    User: z.string(),
    Env: z.array(z.string()),
    Entrypoint: z.array(z.string()),
    Cmd: z.array(z.string()).nullish(),
    ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
    Volumes: z.record(z.string(), z.unknown()).nullish(),
    Labels: z.record(z.string(), z.string()),
  }),
});
const healthSchema = z.object({
  Test: z.array(z.string()),
  Interval: z.number(),
  Timeout: z.number(),
});

export type Image = z.infer<typeof imageSchema> & { readonly Healthcheck: z.infer<typeof healthSchema> };

/** Runs the engine; rejects if it fails. */
export async function engine(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(ENGINE, args, { maxBuffer: 100_000_000 });
  return stdout;
}

export async function inspectImage(): Promise<Image> {
  const [found] = JSON.parse(await engine('image', 'inspect', NAME)) as {
    Config: { Healthcheck?: unknown };
    Healthcheck?: unknown;
  }[];
  const Healthcheck = healthSchema.parse(found?.Config.Healthcheck ?? found?.Healthcheck);
  return { ...imageSchema.parse(found), Healthcheck };
}

/** Each file of the image, as `tar` lists it: mode, owner/group, size, date, time, path. */
export async function listFiles(): Promise<string[]> {
  const name = `test-${randomUUID()}`;
  await engine('create', '--name', name, NAME);
  try {
    const command = `${ENGINE} export ${name} | tar --list --verbose --numeric-owner`;
    const list = promisify(execFile)('bash', ['-o', 'pipefail', '-c', command], { maxBuffer: 100_000_000 });
    return (await list).stdout.trimEnd().split('\n');
  } finally {
    await engine('rm', '--force', name);
  }
}

export interface ContainerOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A directory that is /test in the container, and cannot be written to there. */
  readonly directory?: string;
  /** Further arguments of `run`. */
  readonly run?: readonly string[];
}

export interface Container extends AsyncDisposable {
  readonly name: string;
  readonly output: string;
  /** The exit status. */
  readonly exit: Promise<number | null>;
  /** Waits for something in the output; fails if it ends before. */
  says(what: RegExp): Promise<RegExpExecArray>;
  /** The status of a command that is run in it. */
  execute(...command: readonly string[]): Promise<{ readonly status: number; readonly output: string }>;
}

/** Starts a container as guarded as one can be: nothing to write to, no capability, on this machine's network. */
export function startContainer(args: readonly string[], options: ContainerOptions = {}): Container {
  const name = `test-${randomUUID()}`;
  const child = spawn(ENGINE, ['run', ...runArguments(name, options), NAME, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const exit = once(child, 'close').then(([code]): number | null => code);
  return {
    name,
    exit,
    get output() {
      return output;
    },
    async says(what) {
      await until(`${what} from the container`, () => what.test(output) || child.exitCode !== null, 60_000);
      const match = what.exec(output);
      if (match === null) throw new Error(`the container ended without ${what}:\n${output}`);
      return match;
    },
    execute: (...command) => execute(name, command),
    async [Symbol.asyncDispose]() {
      await engine('rm', '--force', name).catch(() => {});
      await exit;
    },
  };
}

function runArguments(
  name: string,
  { env: variables = {}, directory, run = [] }: ContainerOptions,
): string[] {
  const guarded = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
  // Otherwise Podman gives it a writable /tmp and /run.
  if (ENGINE.endsWith('podman')) guarded.push('--read-only-tmpfs=false');
  const mount = directory === undefined ? [] : ['--volume', `${directory}:/test:ro`];
  const environment = Object.entries(variables).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
  const common = ['--rm', '--name', name, '--network', 'host', '--no-healthcheck'];
  return [...common, ...guarded, ...mount, ...environment, ...run];
}

async function execute(name: string, command: readonly string[]) {
  const child = spawn(ENGINE, ['exec', name, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const [status] = (await once(child, 'close')) as [number];
  return { status, output };
}
