import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import type { ListenAddress } from '../../src/proxy/server.ts';
import { missing, runClient } from '../support/clients.ts';
import { createTestFiles, type TestFiles } from '../support/files.ts';
import { localUsers } from '../support/local-listener.ts';
import { createLocalTls, type LocalCertificateFiles } from '../support/local-tls.ts';
import { logInWithPgjdbc, missingPgjdbc } from '../support/pgjdbc.ts';
import { startTestServer, type TestServer } from '../support/postgres.ts';
import { connectPg, proxyTo, type TestProxy, type TestProxyOptions } from '../support/proxy.ts';
import { TEST_ROLE } from '../support/tokens.ts';

/* Real clients through every kind of listener, with every kind of authentication, to a real server. */

let server: TestServer;
let files: TestFiles;
let local: LocalCertificateFiles;
before(async () => {
  [server, files, local] = await Promise.all([startTestServer(), createTestFiles(), createLocalTls()]);
});
after(async () => {
  await Promise.all([local[Symbol.asyncDispose](), files[Symbol.asyncDispose](), server.postgres.stop()]);
});

const PASSWORD = 'it says "who" & why';
const WITHOUT_IPV6 = !Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

/** How a client names a listener. */
interface Way {
  readonly env: Readonly<Record<string, string>>;
  readonly pg: pg.ClientConfig;
  /** Undefined where pgjdbc cannot come. */
  readonly jdbc?: string;
}

interface Kind {
  readonly options: () => Partial<TestProxyOptions>;
  readonly ways: (proxy: TestProxy) => readonly Way[];
}

function tcp(host: string, query: string, more: Omit<Way, 'jdbc'>): (proxy: TestProxy) => Way {
  const name = host.includes(':') ? `[${host}]` : host;
  return ({ port }) => ({ ...more, jdbc: `jdbc:postgresql://${name}:${port}/app?${query}` });
}

const clear = (host: string) =>
  tcp(host, 'sslmode=disable', { env: { PGHOST: host, PGSSLMODE: 'disable' }, pg: { host } });

function onLocalhost(): ListenAddress[] {
  return [{ kind: 'tcp', address: 'localhost', port: 0 }];
}

const KINDS: Readonly<Record<string, Kind>> = {
  TCP: { options: () => ({}), ways: (proxy) => [clear('127.0.0.1')(proxy)] },
  'localhost, both families': {
    options: () => ({ listen: onLocalhost() }),
    ways: (proxy) =>
      ['localhost', '127.0.0.1', ...(WITHOUT_IPV6 ? [] : ['::1'])].map((host) => clear(host)(proxy)),
  },
  'a Unix socket': {
    options: () => ({ listen: [{ kind: 'unix', path: files.directory, port: 6432 }] }),
    ways: () => [
      { env: { PGHOST: files.directory, PGPORT: '6432' }, pg: { host: files.directory, port: 6432 } },
    ],
  },
  'TCP with TLS': {
    options: () => ({ localTls: local.tls, listen: onLocalhost() }),
    ways: (proxy) => {
      const ca = local.authority.certPem;
      const env = { PGHOST: 'localhost', PGSSLMODE: 'verify-full', PGSSLROOTCERT: local.caFile };
      const more = { env, pg: { host: 'localhost', ssl: { ca } } };
      return [tcp('localhost', `sslmode=verify-full&sslrootcert=${local.caFile}`, more)(proxy)];
    },
  },
};

for (const [name, { options, ways }] of Object.entries(KINDS)) {
  for (const method of ['none', 'password', 'scram-sha-256'] as const) {
    const start = async (): Promise<TestProxy> => {
      if (method === 'none') return proxyTo(server, options());
      const users = await localUsers({ app: PASSWORD });
      return proxyTo(server, { ...options(), localAuth: { method, users, failureDelayMs: 0 } });
    };
    const WRONG = /password authentication failed for user "app"/;

    test(`psql over ${name}, authentication ${method}`, { skip: missing('psql') }, async () => {
      await using proxy = await start();
      for (const { env } of ways(proxy)) {
        const psql = (password: string) =>
          runClient('psql', ['-wAtXc', 'select current_user'], proxy.port, {
            PGUSER: 'app',
            PGPASSWORD: password,
            ...env,
          });
        assert.equal((await psql(PASSWORD)).stdout.trim(), TEST_ROLE);
        if (method === 'none') await psql('wrong');
        else await assert.rejects(psql('wrong'), WRONG);
      }
    });

    test(`pg over ${name}, authentication ${method}`, async () => {
      await using proxy = await start();
      for (const way of ways(proxy)) {
        const logIn = async (password: string, user = 'app'): Promise<unknown> => {
          await using connection = await connectPg(proxy.port, { user, password, ...way.pg });
          return (await connection.client.query<{ current_user: string }>('select current_user')).rows;
        };
        const rows = [{ current_user: TEST_ROLE }];
        assert.deepEqual(await logIn(PASSWORD), rows);
        if (method === 'none') {
          assert.deepEqual(await logIn('wrong'), rows);
          continue;
        }
        const refused = { code: '28P01' };
        await Promise.all([
          assert.rejects(logIn('wrong'), refused),
          assert.rejects(logIn(PASSWORD, 'nobody'), refused),
        ]);
      }
      const sessions = proxy.log.lines.filter(({ event }) => event === 'session');
      const isTls = name === 'TCP with TLS';
      assert.ok(sessions.every(({ clientTls }) => (clientTls !== undefined) === isTls));
    });
  }
}

test('pgjdbc over every kind of TCP, with every kind of authentication', {
  skip: missingPgjdbc(),
}, async () => {
  const users = await localUsers({ app: PASSWORD });
  await using proxies = new AsyncDisposableStack();
  const logins: [string, string][] = [];
  const expected: string[] = [];
  for (const { options, ways } of Object.values(KINDS)) {
    for (const method of [undefined, 'password', 'scram-sha-256'] as const) {
      const localAuth = method && { localAuth: { method, users, failureDelayMs: 0 } };
      // oxlint-disable-next-line no-await-in-loop -- the Unix socket has one name for all
      const proxy = await proxyTo(server, { ...options(), ...localAuth });
      const urls = ways(proxy).flatMap(({ jdbc }) => jdbc ?? []);
      // pgjdbc knows no Unix sockets, and the next proxy has the same one.
      // oxlint-disable-next-line no-await-in-loop -- the same
      if (urls.length === 0) await proxy[Symbol.asyncDispose]();
      else proxies.use(proxy);
      for (const url of urls) {
        logins.push([url, PASSWORD], [url, 'wrong']);
        expected.push('in', method === undefined ? 'in' : '28P01');
      }
    }
  }
  assert.ok(logins.length >= 18);
  assert.deepEqual(await logInWithPgjdbc(logins), expected);
});
