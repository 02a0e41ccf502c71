import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, renameSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { StartError } from '../../../src/errors.ts';
import { listenOnUnixSocket, socketPath, socketTarget } from '../../../src/proxy/unix-socket.ts';
import { createTestFiles } from '../../support/files.ts';
import { leaveStaleSocket, tryConnect, watchModes } from '../../support/unix-sockets.ts';

const BACKLOG = 16;

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, 'close');
}

function refuses(path: string, message: RegExp): Promise<void> {
  return assert.rejects(listenOnUnixSocket(createServer(), path, BACKLOG), (error) => {
    assert.ok(error instanceof StartError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

test('a directory gets the socket that libpq looks for there; its own name is taken as it is', () => {
  assert.equal(socketPath('/run/pg', 6432), '/run/pg/.s.PGSQL.6432');
  assert.equal(socketPath('/run/pg/', 6432), '/run/pg/.s.PGSQL.6432');
  assert.equal(socketPath('pg', 6432), 'pg/.s.PGSQL.6432');
  assert.equal(socketPath('/run/pg/.s.PGSQL.5432', 6432), '/run/pg/.s.PGSQL.5432');
  assert.equal(socketPath('/run/pg.sock', 6432), '/run/pg.sock/.s.PGSQL.6432');
  assert.equal(socketPath('/run/.s.PGSQL.', 6432), '/run/.s.PGSQL./.s.PGSQL.6432');
  assert.deepEqual(socketTarget('/run/pg/.s.PGSQL.5432'), { host: '/run/pg', port: 5432 });
  assert.equal(socketTarget('/run/pg/other'), undefined);
});

test('a socket is never seen wider than 0600, nor what it is made in than 0700, whatever the umask', async () => {
  await using files = await createTestFiles();
  const path = socketPath(files.directory, 6432);
  await using watch = await watchModes(files.directory);
  const umask = process.umask(0);
  try {
    for (let round = 0; round < 200; round += 1) {
      const server = createServer();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const remove = await listenOnUnixSocket(server, path, BACKLOG);
      remove();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await close(server);
    }
  } finally {
    process.umask(umask);
  }
  assert.deepEqual(await watch.seen(), ['directory 700', 'socket 600']);
});

test('a dead socket is replaced; the directory holds nothing else afterwards', async () => {
  await using files = await createTestFiles();
  const path = socketPath(files.directory, 6432);
  await leaveStaleSocket(path);
  assert.equal(await tryConnect(path), 'ECONNREFUSED');
  const server = createServer((socket) => socket.end());
  const remove = await listenOnUnixSocket(server, path, BACKLOG);
  assert.equal(await tryConnect(path), 'connected');
  assert.deepEqual(readdirSync(files.directory), ['.s.PGSQL.6432']);
  remove();
  assert.deepEqual(readdirSync(files.directory), []);
  await close(server);
});

test('of many that start at once over a dead socket one gets its place, and can be reached there', async () => {
  await using files = await createTestFiles();
  const path = socketPath(files.directory, 6432);
  for (let round = 0; round < 10; round += 1) {
    // oxlint-disable no-await-in-loop -- one round after the other
    await leaveStaleSocket(path);
    const servers = Array.from({ length: 8 }, () => createServer((socket) => socket.end()));
    const starts = await Promise.allSettled(servers.map((one) => listenOnUnixSocket(one, path, BACKLOG)));
    const won = starts.filter(({ status }) => status === 'fulfilled');
    assert.equal(won.length, 1);
    assert.equal(await tryConnect(path), 'connected');
    await Promise.all(servers.map(close));
    // oxlint-enable no-await-in-loop
  }
});

test('a socket where somebody listens is left alone', async () => {
  await using files = await createTestFiles();
  const path = socketPath(files.directory, 6432);
  const living = createServer((socket) => socket.end());
  await listenOnUnixSocket(living, path, BACKLOG);
  await refuses(path, /\.s\.PGSQL\.6432 is in use by a living server.*--unix-socket/);
  assert.equal(await tryConnect(path), 'connected');
  await close(living);
});

test('what is no socket is never removed', async () => {
  await using files = await createTestFiles();
  const file = await files.write('.s.PGSQL.1', 'precious');
  await refuses(file, /is no socket: it is left alone/);
  assert.ok(lstatSync(file).isFile());
  const dead = join(files.directory, 'dead');
  await leaveStaleSocket(dead);
  const link = join(files.directory, '.s.PGSQL.2');
  symlinkSync(dead, link);
  await refuses(link, /is no socket: it is left alone/);
  assert.ok(lstatSync(link).isSymbolicLink() && existsSync(dead));
  assert.deepEqual(readdirSync(files.directory).toSorted(), ['.s.PGSQL.1', '.s.PGSQL.2', 'dead']);
});

test('a socket that another has put into its place is not removed with it', async () => {
  await using files = await createTestFiles();
  const path = socketPath(files.directory, 6432);
  const first = createServer();
  const remove = await listenOnUnixSocket(first, path, BACKLOG);
  renameSync(path, join(files.directory, 'moved'));
  const second = createServer((socket) => socket.end());
  await listenOnUnixSocket(second, path, BACKLOG);
  remove();
  await close(first);
  assert.equal(await tryConnect(path), 'connected');
  await close(second);
});

test('why a socket cannot be had is said', async () => {
  await using files = await createTestFiles();
  const file = await files.write('file', '');
  await refuses(
    join(files.directory, 'none', '.s.PGSQL.1'),
    /there is no directory .*none for a Unix socket/,
  );
  await refuses(join(file, '.s.PGSQL.1'), /file is no directory/);
  const long = join(files.directory, 'x'.repeat(90), '.s.PGSQL.6432');
  await refuses(long, /is too long for a Unix socket \(\d+ bytes, where 10\d are possible\)/);
  await refuses('/proc/.s.PGSQL.1', /not allowed to put|there is no directory/);
});
