import { fileJsonSchema } from '../../../src/config/file-schema.ts';

/** Settings that the chart gives itself, whatever the file says. */
const OF_THE_CHART: ReadonlySet<string> = new Set([
  'address',
  'unix-socket',
  'allow-remote-clients',
  'local-auth',
  'local-users-file',
  'local-tls-cert',
  'local-tls-key',
  'same-user',
  'drain-delay',
  'drain-timeout',
  'exit-when-idle',
  'admin-address',
  'admin-port',
  'admin-quit',
]);

type Schema = Readonly<Record<string, unknown>>;

const text = { type: 'string' };
const count = { type: 'integer', minimum: 0 };
const flag = { type: 'boolean' };
const list = { type: 'array' };
/** In Kubernetes' own words, which Kubernetes checks. */
const map = { type: 'object' };

/** An object without other fields than these. */
function object(properties: Schema): Schema {
  return { type: 'object', properties, additionalProperties: false };
}

const PROPERTIES: Schema = {
  // Helm's own, where the chart is part of another.
  global: map,
  shape: { enum: ['shared', 'sidecar', 'cronjob-sidecar', 'cronjob-exec', 'library'] },
  identity: object({ clientId: text, tenantId: text }),
  serviceAccount: object({ name: text, create: flag, annotations: map }),
  image: object({
    repository: text,
    tag: text,
    digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
    pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
    program: { type: 'array', items: text, minItems: 1 },
  }),
  imagePullSecrets: list,
  drain: object({ delaySeconds: count, timeoutSeconds: count }),
  resources: map,
  extraEnv: list,
  podLabels: map,
  podAnnotations: map,
  nodeSelector: map,
  tolerations: list,
  affinity: map,
  priorityClassName: text,
  app: object({
    image: text,
    command: { type: 'array', items: text },
    args: { type: 'array', items: text },
    env: list,
    envFrom: list,
    ports: list,
    volumeMounts: list,
    resources: map,
    volumes: list,
    terminationSeconds: count,
    replicas: count,
  }),
  cronjob: object({
    schedule: text,
    timeZone: text,
    concurrencyPolicy: { enum: ['Allow', 'Forbid', 'Replace'] },
    suspend: flag,
    backoffLimit: count,
    activeDeadlineSeconds: count,
    ttlSecondsAfterFinished: count,
  }),
  shared: object({
    tlsSecret: text,
    usersSecret: text,
    service: object({ port: { type: 'integer', minimum: 1, maximum: 65_535 }, annotations: map }),
    autoscaling: object({
      enabled: flag,
      minReplicas: count,
      maxReplicas: count,
      targetCpuPercent: { type: 'integer', minimum: 1, maximum: 100 },
    }),
    replicas: count,
    networkPolicy: object({
      enabled: flag,
      clients: list,
      monitoring: list,
      egressPorts: { type: 'array', items: { type: 'integer', minimum: 1, maximum: 65_535 } },
    }),
  }),
};

/** The chart's values.schema.json: what is in `config` is what the file of --config may hold. */
export function chartSchema(): string {
  const { $schema: _, ...config } = withoutChartSettings(fileJsonSchema()) as Schema;
  const schema = {
    // Older versions of Helm know no newer one.
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart pg-entra-proxy',
    ...object({ ...PROPERTIES, config }),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** Takes the chart's own settings out of every `properties`. */
function withoutChartSettings(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutChartSettings);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => {
    if (key !== 'properties') return [key, withoutChartSettings(value)] as const;
    const kept = Object.entries(value as Schema).filter(([name]) => !OF_THE_CHART.has(name));
    return [
      key,
      Object.fromEntries(kept.map(([name, inner]) => [name, withoutChartSettings(inner)])),
    ] as const;
  });
  return Object.fromEntries(entries);
}
