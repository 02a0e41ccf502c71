import type { Span, SpanOptions } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import { describeError, type Logger } from '../log.ts';
import type { LoginSpan, LoginTracer } from './login-trace.ts';

/** How long the last spans may take to leave at the program's end. */
const LAST_SPANS_MS = 2_000;

/** A tracer that sends what it hears to a collector, and does not disturb anybody if it cannot. */
export interface OtlpTracer extends LoginTracer {
  /** Sends what has not been sent, within two seconds. */
  close(): Promise<void>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Traces through OpenTelemetry's SDK, where its variables ask for that; nothing of it is loaded otherwise.
 * The SDK reads the rest of them itself: headers, certificates, the sampler, attributes of the resource.
 *
 * @param env - the program's own environment; the SDK looks at no other.
 * @returns undefined if no traces are wanted.
 */
export async function createOtlpTracer(
  version: string,
  log: Logger,
  env: Environment = process.env,
): Promise<OtlpTracer | undefined> {
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const isOff = env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none';
  if (!endpoint || isOff) return undefined;
  const protocol = env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] || env['OTEL_EXPORTER_OTLP_PROTOCOL'];
  if (protocol === 'grpc')
    log.warn({ event: 'traces' }, 'traces are sent over HTTP (port 4318 of a collector), not gRPC');
  try {
    return await loadTracer(version, log);
  } catch (error) {
    log.error({ event: 'traces', error: describeError(error) }, `no traces: ${describeError(error)}`);
    return undefined;
  }
}

async function loadTracer(version: string, log: Logger): Promise<OtlpTracer> {
  const [api, sdk, resources, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ]);
  const own = { 'service.name': 'pg-entra-proxy', 'service.version': version };
  const wished = resources.detectResources({ detectors: [resources.envDetector] });
  const exporter = new TellingExporter(new OTLPTraceExporter(), log);
  const provider = new sdk.BasicTracerProvider({
    resource: resources.resourceFromAttributes(own).merge(wished),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter)],
  });
  const tracer = provider.getTracer('pg-entra-proxy', version);
  const record = (
    name: string,
    { startedAt, endedAt, error }: { startedAt: number; endedAt: number; error?: string },
    options: SpanOptions,
    parent?: Span,
  ): Span => {
    const context = parent === undefined ? api.ROOT_CONTEXT : api.trace.setSpan(api.ROOT_CONTEXT, parent);
    const span = tracer.startSpan(name, { ...options, startTime: startedAt }, context);
    if (error !== undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: error });
    span.end(endedAt);
    return span;
  };
  return {
    ended(login) {
      const options = { kind: api.SpanKind.CLIENT, attributes: attributesOf(login) };
      const root = record('login', login, options);
      for (const part of login.phases) record(part.phase, part, {}, root);
    },
    async close() {
      const patience = Promise.withResolvers<void>();
      const timer = setTimeout(patience.resolve, LAST_SPANS_MS);
      await Promise.race([provider.shutdown().catch(() => {}), patience.promise]);
      clearTimeout(timer);
    },
  };
}

/** By OpenTelemetry's conventions for databases. Neither token nor password is among what a login tells. */
function attributesOf(login: LoginSpan) {
  const { sqlState } = login;
  return {
    'db.system.name': 'postgresql',
    'db.namespace': login.database,
    'server.address': login.serverName,
    'server.port': login.serverPort,
    'pg_entra_proxy.session_id': login.sessionId,
    'pg_entra_proxy.login': login.kind,
    ...(sqlState === undefined ? {} : { 'error.type': sqlState, 'db.response.status_code': sqlState }),
  };
}

type ExportResult = Parameters<Parameters<SpanExporter['export']>[1]>[0];

/** Tells when traces cannot be sent, once, and when they can again: the SDK itself says nothing. */
class TellingExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #log: Logger;
  #isFailing = false;

  constructor(exporter: SpanExporter, log: Logger) {
    this.#exporter = exporter;
    this.#log = log;
  }

  export(spans: ReadableSpan[], onResult: (result: ExportResult) => void): void {
    this.#exporter.export(spans, (result) => {
      const isFailing = result.error !== undefined;
      if (isFailing && !this.#isFailing) {
        const error = describeError(result.error);
        this.#log.warn({ event: 'traces', error }, `traces cannot be sent: ${error}`);
      } else if (!isFailing && this.#isFailing) {
        this.#log.info({ event: 'traces' }, 'traces can be sent again');
      }
      this.#isFailing = isFailing;
      onResult(result);
    });
  }

  async shutdown(): Promise<void> {
    await this.#exporter.shutdown();
  }
}
