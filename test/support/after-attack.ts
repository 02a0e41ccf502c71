import assert from 'node:assert/strict';
import { type Authority, createCertificateAuthority } from '../../src/demo/certificates.ts';
import type { TestFiles } from './files.ts';
import { SERVER_NAME } from './postgres.ts';
import { connectPg, startProxy, type TestProxy, type TestProxyOptions } from './proxy.ts';
import { ScriptedServer, welcome } from './scripted-server.ts';
import { createTestToken, TestTokenSource } from './tokens.ts';
import { until } from './wait.ts';

const faults: unknown[] = [];
process.on('unhandledRejection', (reason) => faults.push(reason));
process.on('uncaughtExceptionMonitor', (error) => faults.push(error));

/** TCP sockets and listeners that this process has open, ours and the tests' own. */
export function countTcpHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => /^TCP/i.test(name)).length;
}

/**
 * What must hold after every attack: no session and no socket is left, nothing went wrong unseen, and
 * the next client logs in.
 *
 * @param tcpHandles - what {@link countTcpHandles} said before the attack.
 */
export async function assertUnharmed(proxy: TestProxy, tcpHandles: number): Promise<void> {
  await assertAtRest(proxy, tcpHandles);
  await using fresh = await connectPg(proxy.port);
  await fresh.client.query('select 1');
  await fresh[Symbol.asyncDispose]();
  await assertAtRest(proxy, tcpHandles);
}

async function assertAtRest(proxy: TestProxy, tcpHandles: number): Promise<void> {
  await proxy.idle();
  await until(`no more than ${tcpHandles} TCP handles`, () => countTcpHandles() <= tcpHandles).catch(
    (error: unknown) => {
      throw new Error(`sockets are left: ${process.getActiveResourcesInfo().join(', ')}`, { cause: error });
    },
  );
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
  /** Lets the server behave again and checks {@link assertUnharmed}, and that the proxy left it no socket. */
  assertUnharmed(): Promise<void>;
  /** That no byte of the token reached the server. */
  assertTokenKept(): void;
}

export interface AttackOptions extends Partial<TestProxyOptions> {
  /** Whom the proxy trusts; default: an authority of this attack's own. */
  readonly authority?: Authority;
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
  const proxy = await startProxy({ upstream, tokens, ...options });
  const tcpHandles = countTcpHandles();
  const goodTls = server.tls;
  return {
    server,
    proxy,
    tokens,
    token,
    caPem: authority.certPem,
    async assertUnharmed() {
      server.script = welcome;
      server.tls = goodTls;
      await proxy.idle();
      await until('the proxy to close its connections', () => server.openCount === 0);
      await assertUnharmed(proxy, tcpHandles);
      assert.deepEqual(server.failures, []);
    },
    assertTokenKept: () => assert.equal(server.hasHeard(token.slice(0, 12)), false, 'the token left'),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** The arguments that make the program itself serve a scripted server, with the token in a file. */
export async function attackArguments(attack: Attack, files: TestFiles): Promise<string[]> {
  const ca = await files.write('ca.pem', attack.caPem);
  const token = await files.write('token', attack.token);
  const upstream = ['--upstream-address', '127.0.0.1', '--upstream-port', String(attack.server.port)];
  return ['run', SERVER_NAME, ...upstream, '--ca', ca, '--credential', 'token-file', '--token-file', token];
}
