import type { ServerConfig } from '../config/load.ts';
import { LocalUsers, saltFor } from '../local/local-users.ts';
import { deriveVerifier, type ScramVerifier } from '../local/scram-verifier.ts';
import type { LocalAuth } from '../proxy/local-auth.ts';
import { LISTENING, NOT_PRIVATE } from './private-settings.ts';

/** PostgreSQL's own: clients that are told a socket's directory only, look for this one. */
const SOCKET_PORT = 5432;

/**
 * A server's configuration for one command's use alone.
 *
 * @param directory - where its Unix socket lies; undefined for any free port.
 */
export function privateServer(server: ServerConfig, directory: string | undefined): ServerConfig {
  const port = directory === undefined ? 0 : SOCKET_PORT;
  const given = new Map([...server.given].filter(([name]) => !NOT_PRIVATE.includes(name)));
  return { ...server, given, settings: { ...server.settings, ...LISTENING, port, 'unix-socket': directory } };
}

/** Lets in whoever has the password: under the role's name, or that of a user whom the configuration names. */
export async function oneTimeAuth(
  role: string,
  password: string,
  { clientUsers }: ServerConfig,
  secret: Buffer,
): Promise<LocalAuth> {
  const verifiers = [role, ...clientUsers.keys()].map(async (user): Promise<[string, ScramVerifier]> => {
    return [user, await deriveVerifier(Buffer.from(password), saltFor(user, secret))];
  });
  return { method: 'scram-sha-256', users: new LocalUsers(new Map(await Promise.all(verifiers)), secret) };
}
