import { SqlState } from '../../src/errors.ts';
import type { LoginPhase, SessionObserver, SessionView } from '../../src/proxy/observer.ts';
import { HOST, identityView, serverView, startTestAdmin } from './admin.ts';
import { launchBrowser, openPage } from './browser.ts';

/** Makes docs/page.png: the real page, of a proxy that has had ten busy minutes. */

const HOUR_MS = 3_600_000;
const BUCKETS = 120;
const BUCKET_MS = 5_000;

const [application, database] = [
  ['psql', 'DBeaver 25.2', 'Grafana', 'orders-api', 'orders-api', 'dbt', 'pg_dump'],
  ['postgres', 'orders', 'metrics', 'orders', 'orders', 'warehouse', 'orders'],
];
const activities = ['idle', 'idle in transaction', 'idle', 'active', 'idle', 'active', 'active'] as const;

const sessions = activities.map((activity, index): SessionView => {
  const seconds = [5_431, 2_215, 1_812, 311, 287, 64, 12][index] ?? 0;
  return {
    id: index + 1,
    client: index === 3 || index === 4 ? 'unix socket' : `127.0.0.1:${40_122 + 1_377 * index}`,
    applicationName: application?.[index],
    clientUser: ['alice', 'anyone', 'grafana', 'app', 'app', 'report', 'alice'][index],
    database: database?.[index],
    role: index === 5 ? 'Reporting Group' : 'alice@contoso.com',
    ageMs: seconds * 1_000,
    activity,
    bytesFromClient: [48_211, 190_331, 2_204_881, 9_127, 8_806, 71_442, 5_102][index] ?? 0,
    bytesFromServer: [1_702_113, 8_113_942, 61_370_220, 44_310, 40_118, 12_944_120, 734_003_200][index] ?? 0,
  };
});

/** Ten minutes of logins, told as if each were made now. */
function logIn(observer: SessionObserver, at: (ms: number) => void): void {
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    at(bucket * BUCKET_MS);
    const wave = 1 + Math.sin(bucket / 9) + 0.6 * Math.sin(bucket / 2.3);
    const count = Math.max(1, Math.round(3 * wave + (bucket > 84 && bucket < 92 ? 14 : 0)));
    for (let login = 0; login < count; login += 1) {
      const spread = 1 + ((login * 7 + bucket * 3) % 11) / 14;
      const slow = bucket > 84 && bucket < 92 ? 2.2 : 1;
      const phases: Partial<Record<LoginPhase, number>> = {
        token: 0.05 * spread,
        dial: 2.1 * spread,
        tls: 6.4 * spread * (1 + wave / 12),
        authentication: 9.3 * spread * slow,
        ...(slow > 1 ? { queue: 3 * spread } : {}),
      };
      observer.loggedIn(
        Object.values(phases).reduce((sum, ms) => sum + ms, 0),
        phases,
      );
    }
  }
}

const realNow = performance.now.bind(performance);
using bench = await startTestAdmin();
const [observer, identity] = [bench.observations.observerOf(HOST), identityView({ name: 'default' })];
const start = realNow();
logIn(observer, (ms) => (performance.now = () => start - (BUCKETS - 1) * BUCKET_MS + ms));
performance.now = realNow;
bench.view.identityViews = [
  {
    ...identity,
    credential: 'default: azure-cli',
    tokenExpiresAt: Date.now() + 0.66 * HOUR_MS,
    nextRefreshAt: Date.now() + 0.11 * HOUR_MS,
  },
];
bench.view.serverViews = [
  serverView({
    listeners: ['127.0.0.1:6432', '/run/pg-entra-proxy/.s.PGSQL.6432'],
    logins: [
      { clientUser: undefined, role: 'alice@contoso.com', identity: 'default' },
      { clientUser: 'report', role: 'Reporting Group', identity: 'default' },
    ],
    sessionCount: sessions.length,
    maxSessions: 1_000,
    loginsUnderWay: 1,
    sessions: () => sessions,
  }),
];
observer.ended({
  result: 'rejected',
  sqlState: SqlState.invalidAuthorization,
  error: {
    message: 'role "bob@contoso.com" does not exist or is not an Entra principal',
    hint: "As the server's Entra administrator, in database postgres, run: select * from pgaadauth_create_principal('bob@contoso.com', false, false);",
  },
  bytesFromClient: 0,
  bytesFromServer: 0,
});
const browser = await launchBrowser();
const viewport = { width: 1_180, height: 900 };
const options = { viewport, colorScheme: 'light', deviceScaleFactor: 1.5 } as const;
await using opened = await openPage(browser, `http://127.0.0.1:${bench.port}/`, options);
await opened.page.getByText('pg_dump').first().waitFor();
await opened.page.screenshot({ path: process.argv[2] ?? 'docs/page.png', fullPage: true });
await browser.close();
