import assert from 'node:assert/strict';
import type pg from 'pg';
import { type Authority, createCertificateAuthority } from '../../src/demo/certificates.ts';
import { type Entrance, overTcp } from './entrances.ts';
import type { TestFiles } from './files.ts';
import { STARTUP } from './messages.ts';
import { SERVER_NAME } from './postgres.ts';
import { connectPg, startProxy, type TestClient, type TestProxy, type TestProxyOptions } from './proxy.ts';
import { type RawClient, refusedLogin } from './raw-client.ts';
import { ScriptedServer, welcome } from './scripted-server.ts';
import { createTestToken, TestTokenSource } from './tokens.ts';
import { until } from './wait.ts';

const faults: unknown[] = [];
process.on('unhandledRejection', (reason) => faults.push(reason));
process.on('uncaughtExceptionMonitor', (error) => faults.push(error));

/** Sockets and listeners that this process has open, TCP and Unix, ours and the tests' own. */
export function countSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /^(?:TCP|Pipe)/i.test(name)).length;
}

/**
 * What must hold after every attack: no session and no socket is left, nothing went wrong unseen, and
 * the next client logs in.
 *
 * @param sockets - what {@link countSockets} said before the attack.
 */
export async function assertUnharmed(
  proxy: TestProxy,
  sockets: number,
  options: pg.ClientConfig = {},
): Promise<void> {
  await assertAtRest(proxy, sockets);
  await using fresh = await connectPg(proxy.port, options);
  await fresh.client.query('select 1');
  await fresh[Symbol.asyncDispose]();
  await assertAtRest(proxy, sockets);
}

async function assertAtRest(proxy: TestProxy, sockets: number): Promise<void> {
  await proxy.idle();
  await until(`no more than ${sockets} sockets`, () => countSockets() <= sockets).catch((error: unknown) => {
    throw new Error(`sockets are left: ${process.getActiveResourcesInfo().join(', ')}`, { cause: error });
  });
  assert.deepEqual(faults, []);
}

export interface Attack extends AsyncDisposable {
  readonly server: ScriptedServer;
  readonly proxy: TestProxy;
  readonly tokens: TestTokenSource;
  /** The token that must not leave before its time. */
  readonly token: string;
  /** The certificate of the authority that the proxy trusts. */
  readonly caPem: string;
  /** A connection through the entrance, to say what an attack wants. */
  connect(): Promise<RawClient>;
  /** One that has sent STARTUP, is asked for nothing more, and has said the rest right behind. */
  logIn(...behind: readonly Buffer[]): Promise<RawClient>;
  /** For a client that has sent STARTUP itself: the rest of that. */
  authenticate(client: RawClient): Promise<void>;
  /** A `pg` client through the entrance. */
  connectPg(): Promise<TestClient>;
  /** What `pg` is told when it tries to log in. */
  refusedLogin(): Promise<pg.DatabaseError>;
  /** Lets the server behave again and checks {@link assertUnharmed}, and that the proxy left it no socket. */
  assertUnharmed(): Promise<void>;
  /** That no byte of the token reached the server. */
  assertTokenKept(): void;
}

export interface AttackOptions extends Partial<TestProxyOptions> {
  /** Whom the proxy trusts; default: an authority of this attack's own. */
  readonly authority?: Authority;
  /** Default: TCP, and nothing is asked of clients. */
  readonly entrance?: Entrance | undefined;
  /** Default: a JWT. */
  readonly token?: string;
}

/** A proxy towards a scripted server whose certificate it trusts. */
export async function startAttack(options: AttackOptions = {}): Promise<Attack> {
  const authority = options.authority ?? (await createCertificateAuthority('attack tests'));
  const certificate = await authority.issue({ dnsNames: [SERVER_NAME] });
  const server = await ScriptedServer.start({ cert: certificate.certPem, key: certificate.keyPem });
  const token = options.token ?? createTestToken();
  const tokens = new TestTokenSource(token);
  const upstream = { port: server.port, caPem: authority.certPem };
  const entrance = options.entrance ?? (await overTcp());
  const proxy = await startProxy({ upstream, tokens, ...entrance.options, ...options });
  const sockets = countSockets();
  const goodTls = server.tls;
  return {
    server,
    proxy,
    tokens,
    token,
    caPem: authority.certPem,
    connect: () => entrance.connect(proxy),
    async logIn(...behind) {
      const client = await entrance.connect(proxy);
      if (entrance.options.localAuth === undefined) return client.send(STARTUP, ...behind);
      await entrance.authenticate(client.send(STARTUP), ...behind);
      return client;
    },
    authenticate: (client) => entrance.authenticate(client),
    connectPg: () => connectPg(proxy.port, entrance.pg(proxy)),
    refusedLogin: () => refusedLogin(proxy.port, entrance.pg(proxy)),
    async assertUnharmed() {
      server.script = welcome;
      server.tls = goodTls;
      await proxy.idle();
      await until('the proxy to close its connections', () => server.openCount === 0);
      await assertUnharmed(proxy, sockets, entrance.pg(proxy));
      assert.deepEqual(server.failures, []);
    },
    assertTokenKept: () => assert.equal(server.hasHeard(token.slice(0, 12)), false, 'the token left'),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/**
 * The arguments that make the program itself serve a scripted server, with the token in a file. No connection is
 * kept warm: one that was opened ahead would play the script of another time.
 */
export async function attackArguments(attack: Attack, files: TestFiles): Promise<string[]> {
  const ca = await files.write('ca.pem', attack.caPem);
  const token = await files.write('token', attack.token);
  const upstream = ['--upstream-address', '127.0.0.1', '--upstream-port', String(attack.server.port)];
  const target = ['run', SERVER_NAME, '--warm', '0', ...upstream, '--ca', ca];
  return [...target, '--credential', 'token-file', '--token-file', token];
}
