import { createSecureContext } from 'node:tls';
import { dialUpstream } from '../../src/upstream/dial.ts';
import { WarmConnections, type WarmOptions } from '../../src/upstream/warm.ts';
import { SERVER_NAME } from './postgres.ts';
import { until } from './wait.ts';

/** Warm connections to a server on this machine, with a certificate for {@link SERVER_NAME}. */
export function warmTo(
  server: { readonly port: number; readonly caPem: string },
  options: Partial<WarmOptions> = {},
): WarmConnections {
  const secureContext = createSecureContext({ ca: server.caPem });
  const trust = { roots: 'the test CA', serverName: SERVER_NAME, secureContext };
  const upstream = { address: '127.0.0.1', port: server.port, trust, connectTimeoutMs: 10_000 };
  return new WarmConnections({ limit: 2, dial: (signal) => dialUpstream(upstream, signal), ...options });
}

export function untilWarm(warm: WarmConnections, count = 1): Promise<void> {
  return until(`${count} warm connections`, () => warm.count === count);
}
