import type { TLSSocket } from 'node:tls';
import { dialUpstream } from '../upstream/dial.ts';
import type { Login } from './identity-login.ts';
import { encodePlan } from './policy.ts';

/**
 * Lets a client log in as itself, with its own PostgreSQL password: its answers go to the server, which
 * decides.
 */
export async function passThrough({ plan, deps, story, signal }: Login): Promise<TLSSocket> {
  const startup = encodePlan(plan, plan.clientUser);
  story.actsAs(plan.clientUser);
  const { socket, times } = await dialUpstream(deps.upstream, signal);
  story.dialled(socket, times);
  socket.write(startup);
  throw new Error('not there yet');
}
