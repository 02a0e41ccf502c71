import { once } from 'node:events';
import { connect } from 'node:net';
import type { Upstream } from '../upstream/dial.ts';
import { ConnectTimeoutError, connectFailure } from '../upstream/failures.ts';
import { place } from './addresses.ts';
import { type Checked, type Fact, failedBy, ok, warning } from './step.ts';

/** More than any server has. */
const MAX_ADDRESSES = 16;

/** What one address said. */
interface Attempt {
  readonly address: string;
  /** Undefined if it took the connection. */
  readonly error: unknown;
  readonly ms: number;
}

/** A machine has no route to any address of a family: nothing is wrong with the server. */
const NO_ROUTE: ReadonlySet<string> = new Set(['ENETUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/** Connects to each address of the server, at once, and hangs up. */
export async function checkTcp(upstream: Upstream, addresses: readonly string[]): Promise<Checked<true>> {
  const some = addresses.slice(0, MAX_ADDRESSES);
  const attempts = await Promise.all(some.map((address) => attempt(address, upstream)));
  const facts = attempts.map((one) => factOf(one, upstream));
  const open = attempts.filter(({ error }) => error === undefined);
  const [first] = open;
  if (first === undefined) {
    const told = attempts.length > 1 ? facts : [];
    return { finding: failedBy(connectFailure(attempts[0]?.error, upstream), told) };
  }
  if (attempts.length === 1) return { finding: ok(describe(first, upstream)), result: true };
  const silent = attempts.filter(({ error }) => error !== undefined && !NO_ROUTE.has(codeOf(error)));
  const summary = `${open.length} of ${attempts.length} addresses take connections`;
  if (silent.length === 0) return { finding: ok(summary, facts), result: true };
  const text =
    'Logins try the addresses one after the other: those that do not answer make some of them slow. ' +
    "Check the DNS records, and this machine's route to those addresses.";
  return { finding: warning(summary, facts, [{ text }]), result: true };
}

async function attempt(address: string, { port, connectTimeoutMs }: Upstream): Promise<Attempt> {
  const start = performance.now();
  const socket = connect({ host: address, port });
  const timer = setTimeout(() => socket.destroy(new ConnectTimeoutError()), connectTimeoutMs);
  try {
    await once(socket, 'connect');
    return { address, error: undefined, ms: performance.now() - start };
  } catch (error) {
    return { address, error, ms: performance.now() - start };
  } finally {
    clearTimeout(timer);
    // It may still say something of its end.
    socket.on('error', () => {}).destroy();
  }
}

function factOf(one: Attempt, upstream: Upstream): Fact {
  const { address, error } = one;
  if (error === undefined) return { name: 'address', value: describe(one, upstream) };
  const { message } = connectFailure(error, { ...upstream, address });
  return { name: 'address', value: message };
}

function describe({ address, ms }: Attempt, { port }: Upstream): string {
  return `connected to ${place(address, port)} in ${Math.ceil(ms)} ms`;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
