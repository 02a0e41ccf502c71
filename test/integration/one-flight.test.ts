import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Authority, createCertificateAuthority } from '../../src/demo/certificates.ts';
import {
  AUTHENTICATION_OK,
  authentication,
  CLEARTEXT_PASSWORD,
  fatal,
  WELCOME,
} from '../support/messages.ts';
import { onEachServer, SERVER_NAME } from '../support/postgres.ts';
import { connectPg, proxyTo, startProxy, type TestProxy } from '../support/proxy.ts';
import { type Script, ScriptedServer } from '../support/scripted-server.ts';
import { createTestToken, TEST_ROLE, TestTokenSource } from '../support/tokens.ts';
import { WireClient } from '../support/wire.ts';

let authority: Authority;
let tls: { cert: string; key: string };
const token = createTestToken();

before(async () => {
  authority = await createCertificateAuthority('one flight');
  const { certPem, keyPem } = await authority.issue({ dnsNames: [SERVER_NAME] });
  tls = { cert: certPem, key: keyPem };
});

interface Bench extends AsyncDisposable {
  readonly server: ScriptedServer;
  readonly proxy: TestProxy;
}

async function startBench(): Promise<Bench> {
  const server = await ScriptedServer.start(tls);
  const upstream = { port: server.port, caPem: authority.certPem };
  const proxy = await startProxy({ upstream, tokens: new TestTokenSource(token), role: TEST_ROLE });
  return {
    server,
    proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      assert.deepEqual(server.failures, []);
    },
  };
}

async function visit(
  proxy: TestProxy,
  options: { database?: string; replication?: string } = {},
): Promise<void> {
  await using connection = await connectPg(proxy.port, options);
  await connection.client.query('select 1');
}

/** Asks for nothing before all of it has come: the startup and the token. */
const expectsOneFlight: Script = async (connection) => {
  await connection.acceptStartup();
  await connection.hasUnread();
  await connection.askForToken();
  connection.send(WELCOME);
  await connection.serve();
};

/** One flight would come in one piece. */
const expectsSteps: Script = async (connection) => {
  await connection.acceptStartup();
  assert.equal(connection.unread.length, 0);
  await connection.askForToken();
  connection.send(WELCOME);
  await connection.serve();
};

test('the token goes out with the startup once the server has asked for it and taken it', async () => {
  await using bench = await startBench();
  const { server, proxy } = bench;
  server.script = expectsSteps;
  await visit(proxy);
  server.script = expectsOneFlight;
  await visit(proxy);
  await visit(proxy);
  assert.deepEqual(server.passwords, [token, token, token]);
});

test('another database, or replication, is asked step by step at first', async () => {
  await using bench = await startBench();
  const { server, proxy } = bench;
  await visit(proxy);
  server.script = expectsSteps;
  await visit(proxy, { database: 'other' });
  const client = new WireClient(proxy.dial());
  client.startUp({ replication: 'database' });
  await client.wait('Z');
  client.socket.destroy();
  server.script = expectsOneFlight;
  await visit(proxy);
  await visit(proxy, { database: 'other' });
});

for (const [what, request] of [
  ['SCRAM', authentication(10, 'SCRAM-SHA-256\0\0')],
  ['MD5', authentication(5, 'salt')],
] as const) {
  test(`a server that wants ${what} all of a sudden is asked again, step by step, and told of as ever`, async () => {
    await using bench = await startBench();
    const { server, proxy } = bench;
    await visit(proxy);
    const startups: Buffer[] = [];
    server.script = async (connection) => {
      startups.push(await connection.acceptStartup());
      connection.send(request);
      await connection.untilGone();
    };
    const client = new WireClient(proxy.dial());
    client.startUp();
    const { sqlState, message } = await client.waitError();
    assert.equal(sqlState, '28000');
    assert.match(message, new RegExp(`the server wants ${what}`));
    assert.equal(startups.length, 2);
    // The second one has heard no token.
    const [, first, second] = server.connections;
    assert.deepEqual([first?.heard.includes(token), second?.heard.includes(token)], [true, false]);
  });
}

test('a server that lets the role in without asking gets no token that it could take for a message', async () => {
  await using bench = await startBench();
  const { server, proxy } = bench;
  await visit(proxy);
  server.script = async (connection) => {
    await connection.acceptStartup();
    connection.send(WELCOME);
    await connection.serve();
  };
  await visit(proxy);
  await visit(proxy);
  assert.equal(server.connections.length, 4);
  assert.deepEqual(
    server.connections.map(({ heard }) => heard.includes(token)),
    [true, true, false, false],
  );
});

test("what is refused in one flight is told in the server's own words, and asked step by step the next time", async () => {
  await using bench = await startBench();
  const { server, proxy } = bench;
  await visit(proxy);
  server.script = async (connection) => {
    await connection.acceptStartup();
    connection.send(fatal('53300', 'sorry, too many clients already'));
    connection.end();
  };
  const client = new WireClient(proxy.dial());
  client.startUp();
  assert.equal((await client.waitError()).message, 'sorry, too many clients already');
  server.script = expectsSteps;
  await visit(proxy);
});

test('a server that asks twice, or lets in twice over, is no more trusted than before', async () => {
  await using bench = await startBench();
  const { server, proxy } = bench;
  await visit(proxy);
  server.script = async (connection) => {
    await connection.acceptStartup();
    connection.send(CLEARTEXT_PASSWORD, CLEARTEXT_PASSWORD, AUTHENTICATION_OK);
    await connection.untilGone();
  };
  const client = new WireClient(proxy.dial());
  client.startUp();
  assert.equal((await client.waitError()).sqlState, '08P01');
});

onEachServer((server) => {
  test('logins in one flight come through, with tokens of all sizes', async () => {
    for (const length of [0, 5_000, 40_000]) {
      const value = createTestToken({ padding: 'x'.repeat(length) });
      await server().acceptToken(value);
      await using proxy = await proxyTo(server(), { tokens: new TestTokenSource(value) });
      for (let count = 0; count < 3; count += 1) await visit(proxy);
      assert.ok(proxy.deps.knownMethods.asksForToken(JSON.stringify([TEST_ROLE, 'app'])));
    }
    await server().acceptToken(server().token);
  });
});
