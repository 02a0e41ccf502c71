/**
 * A proxy as a process of its own, for what a process has one of: file descriptors that it inherits, its end.
 * Says on standard output what it listens on. SIGTERM ends it without closing anything.
 *
 * Usage: node proxy-process.ts '{"upstream": {"port": 5432, "caPem": "..."}, "token": "...", "listen": [...]}'
 */
import { execFileSync } from 'node:child_process';
import { takeInheritedSockets } from '../../src/proxy/inherited.ts';
import type { ListenAddress } from '../../src/proxy/server.ts';
import { startProxy } from './proxy.ts';
import { TestTokenSource } from './tokens.ts';

export interface ProxyProcessOptions {
  readonly upstream: { readonly port: number; readonly caPem: string };
  readonly token: string;
  /** Besides what it inherits. */
  readonly listen: readonly ListenAddress[];
}

const { upstream, token, listen } = JSON.parse(process.argv[2] ?? '') as ProxyProcessOptions;
const inherited = takeInheritedSockets();
const addresses = inherited.map(({ fd }): ListenAddress => ({ kind: 'inherited', fd }));
process.once('SIGTERM', () => process.exit(0));
const { server } = await startProxy({
  upstream,
  tokens: new TestTokenSource(token),
  listen: [...addresses, ...listen],
}).catch((error: unknown) => {
  process.stdout.write(`${JSON.stringify({ error: String(error) })}\n`);
  process.exit(1);
});
// What a child of this process would get.
const childEnv = execFileSync('env', { encoding: 'utf8' });
const childFds = execFileSync('sh', ['-c', 'ls -l /proc/self/fd 2>/dev/null || true'], { encoding: 'utf8' });
const report = { inherited, listeners: server.listeners, childEnv, childFds };
process.stdout.write(`${JSON.stringify(report)}\n`);
