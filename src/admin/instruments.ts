import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** In seconds: a warm local login takes milliseconds, one that is given up --login-timeout (60 s). */
const LOGIN_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export type Instruments = ReturnType<typeof createInstruments>;

/** Everything that is measured, with the only labels that there are. */
export function createInstruments(registry: Registry) {
  const registers = [registry];
  const gauge = <T extends string = never>(name: string, help: string, ...labelNames: T[]): Gauge<T> =>
    new Gauge({ name: `pg_entra_proxy_${name}`, help, labelNames, registers });
  const counter = <T extends string>(name: string, help: string, ...labelNames: T[]): Counter<T> =>
    new Counter({ name: `pg_entra_proxy_${name}`, help, labelNames, registers });
  const histogram = <T extends string>(name: string, help: string, ...labelNames: T[]): Histogram<T> =>
    new Histogram({
      name: `pg_entra_proxy_${name}`,
      help,
      labelNames,
      registers,
      buckets: LOGIN_BUCKETS,
    });
  return {
    buildInfo: gauge('build_info', 'Always 1; what runs is in the labels.', 'version', 'node_version'),
    draining: gauge('draining', '1 while the program drains or stops.'),
    active: gauge('sessions_active', 'Sessions now, logins included.', 'server'),
    limit: gauge('sessions_limit', 'How many sessions there may be (--max-sessions).', 'server'),
    connections: gauge('connections_open', 'Client connections now, sessions or not.', 'server'),
    underWay: gauge('logins_in_progress', 'Logins towards the server now.', 'server'),
    waiting: gauge('logins_waiting', 'Logins that wait for others to finish (--max-logins).', 'server'),
    warm: gauge(
      'warm_connections',
      'Connections to the server kept ready for the next logins (--warm).',
      'server',
    ),
    sessions: counter(
      'sessions_total',
      'Sessions that are over, by what became of them and the SQLSTATE, or its class, that the client was told.',
      'server',
      'result',
      'sqlstate',
    ),
    login: histogram('login_duration_seconds', 'How long logins took that succeeded.', 'server'),
    loginPhase: histogram(
      'login_phase_duration_seconds',
      'How long the parts took of logins that succeeded: token, queue, dial, tls, authentication.',
      'server',
      'phase',
    ),
    dials: counter('upstream_dials_total', 'Connections for logins to the server.', 'server', 'result'),
    relayed: counter('relayed_bytes_total', 'Bytes relayed after the login.', 'server', 'direction'),
    drains: counter('drains_total', 'Drains that have begun.', 'server'),
    tokenUsable: gauge('token_usable', '1 while there is a token that has not expired.', 'identity'),
    tokenExpiry: gauge('token_expiry_timestamp_seconds', 'When the token expires.', 'identity'),
    refreshes: counter('token_refreshes_total', 'Token fetches that are over.', 'identity', 'result'),
  };
}
