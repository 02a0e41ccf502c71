import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { type Listener, listen } from '../../src/demo/loopback.ts';
import { until } from './wait.ts';

export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: { readonly code: number; readonly message?: string };
}

/** A collector for OTLP over HTTP with JSON, as far as traces go. */
export interface TraceReceiver extends AsyncDisposable {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** Attributes of what the spans came from. */
  readonly resource: Readonly<Record<string, unknown>>;
  /** All that came, as text. */
  readonly text: string;
  /** Waits for so many spans of a name. */
  find(name: string, count?: number): Promise<ReceivedSpan[]>;
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface TraceRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<ReceivedSpan, 'attributes'> & { attributes: readonly Attribute[] })[];
    }[];
  }[];
}

/** @param answers - if false, requests are heard, and never answered. */
export async function startTraceReceiver(answers = true): Promise<TraceReceiver> {
  const spans: ReceivedSpan[] = [];
  let resource: Record<string, unknown> = {};
  let text = '';
  const take = ({ resourceSpans }: TraceRequest): void => {
    text += JSON.stringify(resourceSpans);
    for (const one of resourceSpans) {
      resource = plain(one.resource.attributes);
      for (const span of one.scopeSpans.flatMap((scope) => scope.spans))
        spans.push({ ...span, attributes: plain(span.attributes) });
    }
  };
  const server = createServer((request, response) => {
    void (json(request) as Promise<TraceRequest>).then(take).finally(() => {
      if (answers) response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  const listener: Listener = await listen(server);
  const found = (name: string): ReceivedSpan[] => spans.filter((span) => span.name === name);
  return {
    url: `http://127.0.0.1:${listener.port}`,
    spans,
    get resource() {
      return resource;
    },
    get text() {
      return text;
    },
    find: async (name, count = 1) => {
      await until(`${count} spans "${name}"`, () => found(name).length >= count);
      return found(name);
    },
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

function plain(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
