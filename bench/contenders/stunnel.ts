import { LOOPBACK } from '../../src/demo/loopback.ts';
import { SERVER_NAME } from '../stage.ts';
import type { Contender } from './contender.ts';
import { startProgram } from './program.ts';

/** stunnel 5 as a client: the TLS is its own, the login is the client's. */
export function stunnelContender(command: string): Contender {
  return {
    name: 'stunnel',
    kind: 'peer',
    start(upstream, stage) {
      return startProgram('stunnel', stage, async (port) => {
        const lines = [
          'foreground = yes',
          'pid =',
          'debug = err',
          '[postgresql]',
          'client = yes',
          `accept = ${LOOPBACK}:${port}`,
          `connect = ${LOOPBACK}:${upstream.port}`,
          'protocol = pgsql',
          'verifyChain = yes',
          `CAfile = ${stage.caFile}`,
          `checkHost = ${SERVER_NAME}`,
          '',
        ];
        const file = await stage.write(`stunnel-${port}.conf`, lines.join('\n'));
        return { command, args: [file], cwd: stage.directory };
      });
    },
  };
}
