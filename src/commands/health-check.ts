/**
 * The image's HEALTHCHECK: whether the proxy that runs in this container does what it is for. It has no
 * settings of its own, but reads what that process was told, and asks its admin listener whether it has
 * started. Without one, it asks at each port and socket as a client does: somebody is there, then.
 *
 * Exit status: 0 healthy, 1 not; then a line says why.
 *
 * Usage: node health-check.js [PROCESS-ID]
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { type Config, loadConfig } from '../config/load.ts';
import { UsageError } from '../errors.ts';
import { describeError } from '../log.ts';
import type { ListenAddress } from '../proxy/server.ts';
import { socketPath } from '../proxy/unix-socket.ts';
import { type AdminTarget, adminOrigin, askAdmin } from './admin-client.ts';
import { listenAddresses } from './local-side.ts';
import { RUN } from './manual/run.ts';
import { parseCommand } from './parser.ts';
import { findRunningProgram, type RunningProgram } from './running-program.ts';

/** Less than what the Dockerfile gives it. */
const TIMEOUT_MS = 4_000;

/** GSSENCRequest: Int32 length, Int32 code. It is answered with one byte, with and without local TLS. */
const QUESTION = Buffer.from([0, 0, 0, 8, 4, 210, 22, 48]);

/** What listens for nobody else. */
const PRIVATE_COMMANDS: readonly (string | undefined)[] = ['exec', 'demo'];

/** @returns why the proxy is not healthy; undefined if it is. */
async function findFault(pid: number | undefined): Promise<string | undefined> {
  const program = findRunningProgram(pid);
  if (program === undefined) return 'no pg-entra-proxy runs here';
  if (PRIVATE_COMMANDS.includes(program.argv[0])) return undefined;
  const config = await readConfig(program);
  if (config === undefined) return undefined;
  const { 'admin-address': address, 'admin-port': port = 0 } = config.settings;
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  if (port !== 0) return askWhetherStarted({ address, port }, signal);
  const listeners = config.servers.flatMap(({ settings, given }) => listenAddresses(settings, given));
  const faults = await Promise.all(listeners.map((listener) => askAsClient(listener, signal)));
  return faults.find((fault) => fault !== undefined);
}

/** @returns undefined if it has been changed to what is wrong: that says nothing of a proxy that runs. */
async function readConfig({ pid, argv, env }: RunningProgram): Promise<Config | undefined> {
  const { words, flags } = await parseCommand(RUN, argv);
  // Where relative paths begin.
  process.chdir(`/proc/${pid}/cwd`);
  try {
    return loadConfig(words[0] === 'run' ? words.slice(1) : words, flags, env);
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

async function askWhetherStarted(target: AdminTarget, signal: AbortSignal): Promise<string | undefined> {
  const question = `GET ${adminOrigin(target)}/startup`;
  try {
    const { status, body } = await askAdmin(target, 'GET', '/startup', signal);
    return status === 200 ? undefined : `${question}: HTTP status ${status}: ${describeError(body)}`;
  } catch (error) {
    return `${question}: ${describeError(error)}`;
  }
}

/** The proxy hears nothing more than from a client that leaves before its login. */
async function askAsClient(listener: ListenAddress, signal: AbortSignal): Promise<string | undefined> {
  const target = clientTarget(listener);
  if (target === undefined) return undefined;
  const socket = connect(target).on('error', () => {});
  try {
    socket.write(QUESTION);
    await once(socket, 'data', { signal });
    return undefined;
  } catch (error) {
    return `no answer at ${'path' in target ? target.path : `port ${target.port}`}: ${describeError(error)}`;
  } finally {
    socket.destroy();
  }
}

type ClientTarget = { readonly path: string } | { readonly host: string; readonly port: number };

/** @returns undefined for one that cannot be told from here: any free port, a socket from elsewhere. */
function clientTarget(listener: ListenAddress): ClientTarget | undefined {
  if (listener.kind === 'inherited' || listener.port === 0) return undefined;
  if (listener.kind === 'unix') return { path: socketPath(listener.path, listener.port) };
  const { address, port } = listener;
  const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  return { host: everywhere[address] ?? address, port };
}

const [, , word] = process.argv;
const fault = await findFault(word === undefined ? undefined : Number(word)).catch(describeError);
if (fault !== undefined) {
  process.stderr.write(`${fault}\n`);
  process.exitCode = 1;
}
