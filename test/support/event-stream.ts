import { once } from 'node:events';
import { type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { until } from './wait.ts';

export interface ServerEvent {
  readonly event: string;
  readonly data: unknown;
}

/** A viewer of server-sent events. */
export interface EventStream extends Disposable {
  readonly response: IncomingMessage;
  readonly events: readonly ServerEvent[];
  /** It has come to its end, whichever. */
  readonly isOver: boolean;
  /** Waits until there are as many. */
  hear(count: number): Promise<readonly ServerEvent[]>;
}

export async function openEvents(port: number, headers: OutgoingHttpHeaders = {}): Promise<EventStream> {
  const asked = request({ host: '127.0.0.1', port, path: '/events', headers, agent: false });
  asked.on('error', () => {});
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const events: ServerEvent[] = [];
  let chunks: string[] = [];
  let isOver = false;
  response.setEncoding('utf8').on('data', (chunk: string) => {
    chunks.push(chunk);
    // Only what ends a line can end a message.
    if (!chunk.includes('\n')) return;
    const messages = chunks.join('').split('\n\n');
    chunks = [messages.pop() ?? ''];
    for (const message of messages) {
      const found = /^event: (?<event>\w+)\ndata: (?<data>.*)$/.exec(message)?.groups;
      if (found !== undefined)
        events.push({ event: found['event'] ?? '', data: JSON.parse(found['data'] ?? '') });
    }
  });
  response.on('error', () => {}).on('close', () => (isOver = true));
  return {
    response,
    events,
    get isOver() {
      return isOver;
    },
    hear: async (count) => {
      await until(`${count} events`, () => events.length >= count);
      return events;
    },
    [Symbol.dispose]: () => asked.destroy(),
  };
}
