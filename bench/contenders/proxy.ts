import { LOOPBACK } from '../../src/demo/loopback.ts';
import { ROLE, SERVER_NAME, type Stage } from '../stage.ts';
import type { Contender, Upstream } from './contender.ts';
import { startProgram } from './program.ts';

export interface ProxyOptions {
  readonly name: string;
  /** Its main.js. */
  readonly entry: string;
  readonly flags: readonly string[];
  /** Default: a file with the token. */
  readonly identity?: { readonly flags: readonly string[]; readonly env: Readonly<Record<string, string>> };
}

/** More than the largest crowd of idle sessions. */
const MAX_SESSIONS = '20000';

/** A build of pg-entra-proxy, as its users run it: one process, a log on stderr, all defaults. */
export function proxyContender({ name, entry, flags, identity }: ProxyOptions): Contender {
  return {
    name,
    kind: 'proxy',
    start(upstream, stage) {
      const own = identity ?? tokenFileIdentity(stage);
      return startProgram(name, stage, (port) => ({
        command: process.execPath,
        args: [entry, ...commonFlags(upstream, stage), '--port', String(port), ...own.flags, ...flags],
        env: { PATH: process.env['PATH'] ?? '', ...own.env },
      }));
    },
  };
}

function tokenFileIdentity(stage: Stage) {
  return { flags: ['--credential', 'token-file', '--token-file', stage.tokenFile, '--user', ROLE], env: {} };
}

function commonFlags(upstream: Upstream, stage: Stage): string[] {
  return [
    'run',
    SERVER_NAME,
    '--upstream-address',
    LOOPBACK,
    '--upstream-port',
    String(upstream.port),
    '--ca',
    stage.caFile,
    '--max-sessions',
    MAX_SESSIONS,
  ];
}
