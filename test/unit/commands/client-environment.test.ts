import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClientTarget, clientEnvironment, clientUrl } from '../../../src/commands/client-environment.ts';

const SOCKET: ClientTarget = { host: '/run/a b', port: 5432, user: 'alice@contoso.com', database: 'app' };
const TCP: ClientTarget = { ...SOCKET, host: '127.0.0.1', port: 7000, password: 'p:w/@%' };

test('a URL has its odd characters escaped, and a Unix socket in its query', () => {
  assert.equal(
    clientUrl(SOCKET),
    'postgresql://alice%40contoso.com@/app?host=%2Frun%2Fa%20b&port=5432&sslmode=disable',
  );
  assert.equal(
    clientUrl(TCP),
    'postgresql://alice%40contoso.com:p%3Aw%2F%40%25@127.0.0.1:7000/app?sslmode=disable',
  );
});

test('an environment has no more of another server than what does not matter', () => {
  const outer = {
    PGPASSWORD: 'x',
    PGHOSTADDR: 'x',
    PGSERVICE: 'x',
    PGUSER: 'x',
    PGAPPNAME: 'mine',
    PATH: '/bin',
  };
  assert.deepEqual(clientEnvironment(outer, SOCKET), {
    PGAPPNAME: 'mine',
    PATH: '/bin',
    PGHOST: '/run/a b',
    PGPORT: '5432',
    PGUSER: 'alice@contoso.com',
    PGDATABASE: 'app',
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
  });
  const { PGPASSWORD, URL: url } = clientEnvironment(outer, TCP, 'URL');
  assert.deepEqual([PGPASSWORD, url], ['p:w/@%', clientUrl(TCP)]);
});
