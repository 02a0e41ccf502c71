import type { Layer } from '../config/layers.ts';
import { listensOnTcp } from '../config/listen-rules.ts';
import type { Settings } from '../config/settings.ts';
import { StartError, UsageError } from '../errors.ts';
import { loadLocalUsers } from '../local/users-file.ts';
import type { Logger } from '../log.ts';
import { describeListener, type Listener } from '../proxy/listener.ts';
import type { LocalAuth } from '../proxy/local-auth.ts';
import { LocalTls } from '../proxy/local-tls.ts';
import type { ListenAddress } from '../proxy/server.ts';

/** What clients of a server meet: TLS if they want it, and who may connect. */
export interface LocalSide {
  readonly localTls: LocalTls | undefined;
  readonly localAuth: LocalAuth | undefined;
}

/**
 * Reads the files that the local side needs.
 *
 * @param secret - what unknown users' salts are made of; the same for all of the program's life.
 * @throws UsageError with what is wrong with all of them.
 */
export async function loadLocalSide(settings: Settings, secret: Buffer, log: Logger): Promise<LocalSide> {
  const [localTls, localAuth] = await Promise.allSettled([
    loadTls(settings, log),
    loadAuth(settings, secret),
  ]);
  const problems = [localTls, localAuth].flatMap((result) =>
    result.status === 'rejected' ? problemsOf(result.reason) : [],
  );
  if (localTls.status === 'rejected' || localAuth.status === 'rejected') throw new UsageError(problems);
  return { localTls: localTls.value, localAuth: localAuth.value };
}

/** What a server listens on. */
export function listenAddresses(settings: Settings, given: Layer): ListenAddress[] {
  const { address, port, 'unix-socket': path } = settings;
  const tcp: ListenAddress[] = listensOnTcp(settings, given) ? [{ kind: 'tcp', address, port }] : [];
  return path === undefined ? tcp : [...tcp, { kind: 'unix', path, port }];
}

/**
 * Whoever reaches a listener acts as the identity. The configuration has been looked at for that, but an
 * inherited socket is as whoever opened it has made it.
 *
 * @throws StartError if other machines can reach it, and it is not said that they may, or how.
 */
export function refuseOpenToAll(listener: Listener, settings: Settings): void {
  if (listener.reach !== 'network') return;
  const isGuarded = settings['allow-remote-clients'] && settings['local-auth'] !== 'none';
  if (isGuarded) return;
  throw new StartError(
    `other machines can reach ${describeListener(listener)}, and whoever gets there acts as the identity. ` +
      'That needs --allow-remote-clients, --local-auth and --local-users-file',
  );
}

async function loadTls(settings: Settings, log: Logger): Promise<LocalTls | undefined> {
  const { 'local-tls-cert': certFile, 'local-tls-key': keyFile } = settings;
  if (certFile === undefined || keyFile === undefined) return undefined;
  return LocalTls.load({ certFile, keyFile }, log);
}

async function loadAuth(settings: Settings, secret: Buffer): Promise<LocalAuth | undefined> {
  const { 'local-auth': method, 'local-users-file': path } = settings;
  if (method === 'none' || path === undefined) return undefined;
  return { method, users: await loadLocalUsers(path, secret) };
}

function problemsOf(error: unknown): readonly string[] {
  if (error instanceof UsageError) return error.problems;
  throw error;
}
