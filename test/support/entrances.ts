import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import type pg from 'pg';
import { createTestFiles } from './files.ts';
import { localUsers } from './local-listener.ts';
import { createLocalTls, requestTls } from './local-tls.ts';
import { int32, message, STARTUP } from './messages.ts';
import type { TestProxy, TestProxyOptions } from './proxy.ts';
import { RawClient } from './raw-client.ts';
import { ScramClient } from './scram-client.ts';

/** How clients get in, and what they meet on the way. */
export interface Entrance extends AsyncDisposable {
  /** What makes a proxy have it. */
  readonly options: Partial<TestProxyOptions>;
  /** A connection that has come to where the words of an attack count. */
  connect(proxy: TestProxy): Promise<RawClient>;
  /** Goes on after STARTUP, until nothing more is asked, and says the rest right behind. */
  authenticate(client: RawClient, ...behind: readonly Buffer[]): Promise<void>;
  /** What `pg` needs to come this way. */
  pg(proxy: TestProxy): pg.ClientConfig;
}

const PASSWORD = 'the password of anyone';

/** `SCRAM`: a client that has not been asked yet, or has given the right answer; `asked`: one that answers with whatever it likes. */
export const ENTRANCES = {
  TCP: overTcp,
  'Unix socket': overUnixSocket,
  TLS: overTls,
  SCRAM: withScram,
  asked: whenAsked,
};

export async function overTcp(): Promise<Entrance> {
  return {
    options: {},
    connect: async (proxy) => new RawClient(proxy.dial()),
    authenticate: async (client, ...behind) => void client.send(...behind),
    pg: ({ port }) => ({ port }),
    async [Symbol.asyncDispose]() {},
  };
}

export async function overUnixSocket(): Promise<Entrance> {
  const { directory, ...files } = await createTestFiles();
  return {
    ...(await overTcp()),
    options: { listen: [{ kind: 'unix', path: directory, port: 0 }] },
    connect: async ({ server }) => {
      const [listener] = server.listeners;
      assert.ok(listener?.kind === 'unix');
      return new RawClient(connect({ path: listener.path, allowHalfOpen: true }));
    },
    pg: () => ({ host: directory, port: 5432 }),
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

export async function overTls(): Promise<Entrance> {
  const { tls, authority, ...files } = await createLocalTls();
  const ca = authority.certPem;
  return {
    ...(await overTcp()),
    options: { localTls: tls },
    connect: async (proxy) => {
      const tcp: Socket = proxy.dial();
      return new RawClient(await requestTls(tcp, { ca }), tcp);
    },
    pg: ({ port }) => ({ port, ssl: { ca, servername: 'localhost' } }),
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

export async function withScram(): Promise<Entrance> {
  const users = await localUsers({ anyone: PASSWORD });
  return {
    ...(await overTcp()),
    options: { localAuth: { method: 'scram-sha-256', users } },
    authenticate,
    pg: ({ port }) => ({ port, password: PASSWORD }),
  };
}

async function whenAsked(): Promise<Entrance> {
  const scram = await withScram();
  return {
    ...scram,
    connect: async (proxy) => {
      const client = (await scram.connect(proxy)).send(STARTUP);
      await client.takeMessage();
      return client;
    },
  };
}

async function authenticate(client: RawClient, ...behind: readonly Buffer[]): Promise<void> {
  const scram = new ScramClient(PASSWORD);
  await client.takeMessage();
  client.send(message('p', 'SCRAM-SHA-256\0', int32(scram.first.length), scram.first));
  const challenge = (await client.takeMessage()).toString('latin1', 4);
  client.send(message('p', scram.final(challenge)), ...behind);
  assert.equal((await client.takeMessage()).toString('latin1', 4), scram.expectedServerFinal);
}
