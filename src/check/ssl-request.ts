import type { Socket } from 'node:net';
import { serialize } from 'pg-protocol';
import { SocketReader } from '../socket-reader.ts';
import type { Upstream } from '../upstream/dial.ts';
import { answerFailure } from '../upstream/failures.ts';
import { onConnection } from './connection.ts';
import { type Checked, failedBy, ok } from './step.ts';

/** How much is shown of an answer that is none. */
const MAX_SHOWN = 80;

/** What came for an answer: one byte, and whatever came with it. */
interface Answer {
  readonly byte: string;
  readonly behind: string;
}

/** Asks the server for TLS, and hangs up whatever it says. */
export async function checkSslRequest(upstream: Upstream): Promise<Checked<true>> {
  try {
    const { byte, behind } = await onConnection(upstream, async (socket, signal) =>
      requestTls(socket, upstream, signal),
    );
    if (byte === 'S' && behind === '')
      return { finding: ok('the server speaks PostgreSQL, and offers TLS'), result: true };
    const failure = answerFailure(byte === 'S' ? 'injected' : byte, upstream);
    return { finding: failedBy(failure, [{ name: 'answer', value: `"${byte}${behind.trimEnd()}"` }]) };
  } catch (error) {
    return { finding: failedBy(error) };
  }
}

/** @throws DialFailure if the server hangs up instead; the signal's reason. */
export async function requestTls(socket: Socket, upstream: Upstream, signal: AbortSignal): Promise<Answer> {
  const reader = new SocketReader(socket, 'server');
  try {
    socket.write(serialize.requestSsl());
    const answer = await reader.read(1, signal).catch((error: unknown) => {
      throw answerFailure('closed', upstream, error);
    });
    const behind = reader.buffered === 0 ? Buffer.alloc(0) : (socket.read() as Buffer);
    return { byte: answer.toString('latin1'), behind: behind.toString('latin1', 0, MAX_SHOWN) };
  } finally {
    reader.detach();
  }
}
