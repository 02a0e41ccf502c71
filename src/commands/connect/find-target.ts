import type { ServerConfig } from '../../config/load.ts';
import { chooseUser } from './client-user.ts';
import { findPlace } from './listening.ts';
import type { Target } from './target.ts';

/** What every server has. */
const DATABASE = 'postgres';

/** As in pg_hba.conf: physical replication, in a list of databases. */
const REPLICATION = 'replication';

/** The server's TLS session is not the client's: what binds a proof to one does not fit the other. */
const NO_CHANNEL_BINDING =
  'Over TLS, who is passed through must turn channel binding off: channel_binding=disable.';

/** A target, and what there is to know of it for whoever connects. */
export interface FoundTarget {
  readonly target: Target;
  /** In whole sentences. */
  readonly remarks: readonly string[];
}

/**
 * Where a server's clients go, and as whom.
 *
 * @param user - undefined for one that gets in as the server's own identity.
 * @throws Error with the reason why there is no such target.
 */
export async function findTarget(server: ServerConfig, user: string | undefined): Promise<FoundTarget> {
  const { remarks: placeRemarks, ...place } = findPlace(server);
  const { remarks: userRemarks, ...who } = await chooseUser(server, user);
  const { host } = server.server;
  const isPassedThrough = server.clientUsers.get(who.user)?.kind === 'passThrough';
  const bindingRemarks = isPassedThrough && place.tls.mode !== 'disable' ? [NO_CHANNEL_BINDING] : [];
  return {
    target: { server: host, label: labelOf(host), ...place, database: databaseOf(server), ...who },
    remarks: [...userRemarks, ...placeRemarks, ...bindingRemarks],
  };
}

function databaseOf({ settings }: ServerConfig): string {
  const allowed = settings['allow-databases'];
  const names = allowed?.filter((name) => name !== REPLICATION);
  const isAllowed = (name: string): boolean => names?.includes(name) ?? true;
  if (settings.database !== undefined) return settings.database;
  return isAllowed(DATABASE) ? DATABASE : (names?.[0] ?? DATABASE);
}

function labelOf(host: string): string {
  const [first = ''] = host.split('.');
  return /^[a-z][\w-]*$/i.test(first) ? first : 'pg-entra-proxy';
}
