import { type AdminListener, startAdmin } from '../../src/admin/http.ts';
import { Observations } from '../../src/admin/observations.ts';
import type { AdminView } from '../../src/admin/view.ts';
import { createAdminView } from '../../src/commands/admin-view.ts';
import { Fleet } from '../../src/commands/fleet.ts';
import { Identities } from '../../src/commands/identities.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ask, samplesOf } from './admin.ts';
import { createTestFiles } from './files.ts';
import { createMemoryLog, type MemoryLog } from './log.ts';
import { SERVER_NAME, type TestServer } from './postgres.ts';
import { until } from './wait.ts';

/** All of the program but its signals, in this process, with the admin listener. */
export interface TestFleet extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly port: number;
  readonly admin: AdminListener;
  readonly view: AdminView;
  readonly log: MemoryLog;
  /** A metric of the server, without its prefix; labels as they stand in the text. */
  metric(series: string): Promise<number | undefined>;
  /** Waits until no session is left. */
  idle(): Promise<void>;
}

/** @param flags - more than what makes it serve the test server, with the token that it accepts. */
export async function startFleet(
  server: TestServer,
  flags: Readonly<Record<string, string>> = {},
): Promise<TestFleet> {
  const files = await createTestFiles();
  const log = createMemoryLog();
  const config = loadConfig(
    [SERVER_NAME],
    {
      'upstream-address': '127.0.0.1',
      'upstream-port': String(server.postgres.port),
      ca: await files.write('ca.pem', server.authority.certPem),
      credential: 'token-file',
      'token-file': await files.write('token', server.token),
      port: '0',
      ...flags,
    },
    {},
  );
  const observations = new Observations();
  const identities = new Identities(log.log, (name) => observations.tokenListener(name));
  const fleet = new Fleet(identities, log.log, (host) => observations.observerOf(host));
  await fleet.prepare(config);
  await fleet.listen([]);
  let isDraining = false;
  const drain = (): void => {
    isDraining = true;
    void fleet.drain(60_000);
  };
  const view = createAdminView(fleet, identities, {
    version: '1.2.3',
    isListening: () => true,
    isDraining: () => isDraining,
    drain,
    quit: drain,
  });
  const admin = await startAdmin(
    { address: '127.0.0.1', port: 0, allowQuit: true, log: log.log },
    view,
    observations,
  );
  void identities.warmUp();
  const port = Number((await log.find('listening'))['port']);
  return {
    fleet,
    port,
    admin,
    view,
    log,
    metric: async (series) =>
      samplesOf((await ask(admin.port, '/metrics')).body).get(`pg_entra_proxy_${series}`),
    idle: () => until('the last session to end', () => fleet.connectionCount === 0),
    async [Symbol.asyncDispose]() {
      admin.close();
      await fleet.drain(0);
      identities.close();
      await files[Symbol.asyncDispose]();
    },
  };
}
