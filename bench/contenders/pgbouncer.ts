import { LOOPBACK } from '../../src/demo/loopback.ts';
import { DATABASE, ROLE } from '../stage.ts';
import type { Contender } from './contender.ts';
import { startProgram } from './program.ts';

/** More than the largest crowd of idle sessions. */
const MAX_CLIENTS = 15_000;

/** PgBouncer in session mode: it logs in itself, and keeps server connections for the next client. */
export function pgbouncerContender(command: string): Contender {
  return {
    name: 'PgBouncer',
    kind: 'peer',
    start(upstream, stage) {
      return startProgram('PgBouncer', stage, async (port) => {
        const server = `host=${LOOPBACK} port=${upstream.port} dbname=${DATABASE}`;
        const lines = [
          '[databases]',
          `${DATABASE} = ${server} user=${ROLE} password='${stage.token}'`,
          '[pgbouncer]',
          `listen_addr = ${LOOPBACK}`,
          `listen_port = ${port}`,
          'unix_socket_dir =',
          'auth_type = any',
          'pool_mode = session',
          'server_tls_sslmode = verify-full',
          `server_tls_ca_file = ${stage.caFile}`,
          `max_client_conn = ${MAX_CLIENTS}`,
          `default_pool_size = ${MAX_CLIENTS}`,
          // As the proxy does: a line in the log a session, and no more.
          'log_stats = 0',
          '',
        ];
        const file = await stage.write(`pgbouncer-${port}.ini`, lines.join('\n'));
        return { command, args: [file], account: stage.account, cwd: stage.directory };
      });
    },
  };
}
