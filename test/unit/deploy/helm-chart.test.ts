import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { IContainer } from 'kubernetes-models/v1';
import { parse } from 'yaml';
import { UsageError } from '../../../src/errors.ts';
import { createTestFiles } from '../../support/files.ts';
import { CHART, lintChart, noHelm, renderChart } from '../../support/kubernetes/helm.ts';
import {
  containerNamed,
  isProxy,
  type Manifest,
  type PodTemplate,
  podTemplatesOf,
  readManifestFile,
} from '../../support/kubernetes/manifests.ts';
import { problemsOf } from '../../support/kubernetes/problems.ts';
import { loadProxy } from '../../support/kubernetes/proxy-rules.ts';

const skip = noHelm;

/** The examples, and the plain manifests that they are the same as. */
const EXAMPLES = {
  shared: { release: 'pg-entra-proxy', file: 'shared.yaml' },
  sidecar: { release: 'orders', file: 'sidecar.yaml' },
  'cronjob-sidecar': { release: 'seed', file: 'cronjob-sidecar.yaml' },
  'cronjob-exec': { release: 'seed', file: 'cronjob-seed.yaml' },
} as const;

/** The least that the chart can do with, for `shared`. */
const REQUIRED = {
  image: { repository: 'myregistry.azurecr.io/pg-entra-proxy' },
  identity: { clientId: '00000000-0000-4000-8000-000000000001' },
  shared: { tlsSecret: 'tls', usersSecret: 'users' },
};

/** ConfigMaps that the examples take for granted. */
const ELSEWHERE = ['seed-sql'];

test('the chart is of the version of the program', () => {
  const { version, appVersion } = parse(readFileSync(`${CHART}/Chart.yaml`, 'utf8')) as Record<
    string,
    string
  >;
  const { version: own } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  ) as Record<string, string>;
  assert.deepEqual([version, appVersion], [own, own]);
});

for (const [example, { release, file }] of Object.entries(EXAMPLES)) {
  test(`${example}: Helm finds nothing to say of it, and neither have we of what it renders`, {
    skip,
  }, () => {
    assert.match(lintChart({ example }), /0 chart\(s\) failed/);
    assert.deepEqual(problemsOf(renderChart({ example }), ELSEWHERE), []);
  });

  test(`${example} does what ${file} does`, { skip }, () => {
    const rendered = renderChart({ example, release });
    const plain = readManifestFile(file);
    assert.deepEqual(podEssence(rendered), podEssence(plain));
    for (const kind of ['Service', 'PodDisruptionBudget', 'HorizontalPodAutoscaler', 'NetworkPolicy']) {
      assert.deepEqual(specOf(rendered, kind), specOf(plain, kind), kind);
    }
  });
}

test('values that are not the default are rendered into what Kubernetes knows', { skip }, () => {
  const values = {
    image: { digest: `sha256:${'0'.repeat(64)}`, pullPolicy: 'Always' },
    imagePullSecrets: [{ name: 'registry' }],
    identity: { tenantId: '00000000-0000-4000-8000-00000000000a' },
    serviceAccount: { name: 'database', annotations: { note: 'x' } },
    extraEnv: [{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector:4318' }],
    podLabels: { team: 'a' },
    podAnnotations: { note: 'y' },
    nodeSelector: { pool: 'b' },
    tolerations: [{ key: 'x', operator: 'Exists' }],
    affinity: { nodeAffinity: {} },
    priorityClassName: 'high',
  };
  const app = { envFrom: [{ configMapRef: { name: 'x' } }], ports: [{ name: 'http', containerPort: 8080 }] };
  const shared = {
    service: { port: 15432, annotations: { note: 'z' } },
    autoscaling: { enabled: false },
    replicas: 3,
    networkPolicy: { enabled: false },
  };
  for (const example of Object.keys(EXAMPLES)) {
    const manifests = renderChart({ example, values: { ...values, app, shared } });
    const problems = problemsOf(manifests, ELSEWHERE).filter(
      (problem) => !/^\S*@sha256:0+ is not of version/.test(problem),
    );
    assert.deepEqual(problems, [], example);
    const [pod] = podTemplatesOf(manifests) as [PodTemplate];
    assert.equal(pod.spec.serviceAccountName, 'database');
    assert.deepEqual([pod.labels['team'], pod.annotations['note']], ['a', 'y']);
    const [proxy] = pod.containers.filter(isProxy) as [IContainer];
    assert.ok(
      proxy.env?.some(({ name }) => name === 'OTEL_EXPORTER_OTLP_ENDPOINT'),
      example,
    );
  }
  const manifests = renderChart({ example: 'shared', values: { ...values, shared } });
  assert.deepEqual(manifests.map(({ kind }) => kind).toSorted(), [
    'ConfigMap',
    'Deployment',
    'PodDisruptionBudget',
    'Service',
    'ServiceAccount',
  ]);
  assert.equal(manifests.find(({ kind }) => kind === 'Deployment')?.spec?.['replicas'], 3);
});

test('several servers: each port of the program is one of the container, the Service and the NetworkPolicy', {
  skip,
}, () => {
  const servers = [{ server: 'orders' }, { server: 'reports', port: 7000 }, { server: 'archive' }];
  const manifests = renderChart({ values: { ...REQUIRED, config: { user: 'x', servers, port: 6500 } } });
  assert.deepEqual(problemsOf(manifests), []);
  const container = containerNamed(manifests, 'pg-entra-proxy');
  assert.deepEqual(
    container.ports?.map(({ name, containerPort }) => [name, containerPort]),
    [
      ['postgres', 6500],
      ['postgres-1', 7000],
      ['postgres-2', 6501],
      ['admin', 9090],
    ],
  );
  const { ports } = specOf(manifests, 'Service') as { ports: { port: number; targetPort: string }[] };
  assert.deepEqual(
    ports.map(({ port, targetPort }) => [port, targetPort]),
    [
      [5432, 'postgres'],
      [5433, 'postgres-1'],
      [5434, 'postgres-2'],
    ],
  );
});

test('an application finds the proxy where it listens, unless its own variables say otherwise', {
  skip,
}, () => {
  const values = { config: { port: 7000 }, app: { env: [{ name: 'PGUSER', value: 'reader' }] } };
  const { env = [] } = containerNamed(renderChart({ example: 'sidecar', values }), 'app');
  assert.deepEqual(Object.fromEntries(env.map(({ name, value }) => [name, value])), {
    PGUSER: 'reader',
    PGHOST: '127.0.0.1',
    PGPORT: '7000',
    PGSSLMODE: 'disable',
  });
});

test('another configuration is another version of the pods', { skip }, () => {
  const [one, other] = ['a', 'b'].map((user) => {
    const [pod] = podTemplatesOf(renderChart({ example: 'shared', values: { config: { user } } }));
    return pod?.annotations['checksum/pg-entra-proxy-config'];
  });
  assert.notEqual(one, other);
});

test('what is missing is told, with what to do', { skip }, () => {
  const missing = {
    'config.server': [undefined, REQUIRED],
    'identity.clientId': ['sidecar', { identity: { clientId: '' } }],
    'image.repository': ['shared', { image: { repository: '' } }],
    'app.image': ['sidecar', { app: { image: '' } }],
    'app.command': ['cronjob-exec', { app: { command: [] } }],
    'cronjob.schedule': ['cronjob-sidecar', { cronjob: { schedule: '' } }],
    'shared.tlsSecret': ['shared', { shared: { tlsSecret: '' } }],
    'shared.usersSecret': ['shared', { shared: { usersSecret: '' } }],
  } as const;
  for (const [name, [example, values]] of Object.entries(missing)) {
    const rendering = example === undefined ? { values } : { example, values };
    assert.throws(() => renderChart(rendering), new RegExp(`${name}: [^\\n]{10}`), name);
  }
});

test('values that are none, or that the chart gives itself, are refused', { skip }, () => {
  for (const [values, problem] of [
    [{ shap: 'shared' }, /'shap' not allowed/],
    [{ shape: 'daemon' }, /'\/shape'/],
    [{ config: { usr: 'x' } }, /'usr' not allowed/],
    [{ config: { port: 'x' } }, /'\/config\/port'/],
    [{ config: { address: '0.0.0.0' } }, /'address' not allowed/],
    [
      { config: { servers: [{ server: 'x', 'admin-port': 1 }] } },
      /'\/config\/servers\/0': additional properties 'admin-port'/,
    ],
    [{ shared: { networkPolicy: { enable: false } } }, /'enable' not allowed/],
    [{ image: { digest: 'latest' } }, /'\/image\/digest'/],
  ] as const) {
    assert.throws(() => renderChart({ example: 'shared', values }), problem);
  }
});

test("a chart of one's own can put the sidecar into its own pods", { skip }, async () => {
  await using files = await createTestFiles();
  const chart = join(files.directory, 'orders');
  for (const name of ['templates', 'charts']) mkdirSync(join(chart, name), { recursive: true });
  cpSync(CHART, join(chart, 'charts/pg-entra-proxy'), { recursive: true });
  const [, yaml = '', template = '', values = ''] =
    /```yaml\n(# Chart\.yaml\n[^]*?)```[^]*?```yaml\n(# templates\/deployment\.yaml\n[^]*?)```[^]*?```yaml\n(# values\.yaml\n[^]*?)```/.exec(
      readFileSync(new URL('../../../docs/kubernetes.md', import.meta.url), 'utf8'),
    ) ?? [];
  writeFileSync(join(chart, 'Chart.yaml'), yaml);
  writeFileSync(join(chart, 'values.yaml'), values);
  writeFileSync(join(chart, 'templates/deployment.yaml'), template);
  const manifests = renderChart({ chart, release: 'orders' });
  assert.deepEqual(problemsOf(manifests), []);
  assert.deepEqual(manifests.map(({ kind }) => kind).toSorted(), [
    'ConfigMap',
    'Deployment',
    'ServiceAccount',
  ]);
  const sidecar = containerNamed(manifests, 'pg-entra-proxy');
  assert.deepEqual(sidecar, containerNamed(renderChart({ example: 'sidecar' }), 'pg-entra-proxy'));
});

test('the notes say what is left to do, for the release that it is', { skip }, async () => {
  await using files = await createTestFiles();
  const chart = join(files.directory, 'chart');
  cpSync(CHART, chart, { recursive: true });
  const notes = readFileSync(`${CHART}/templates/NOTES.txt`, 'utf8');
  writeFileSync(join(chart, 'templates/_notes.tpl'), `{{- define "notes" }}${notes}{{ end }}`);
  writeFileSync(
    join(chart, 'templates/notes.yaml'),
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: notes\ndata:\n  notes: |-\n    {{- include "notes" . | nindent 4 }}\n',
  );
  for (const [example, { release }] of Object.entries(EXAMPLES)) {
    const manifests = renderChart({ chart, example, release });
    const text = manifests.find(({ metadata }) => metadata.name === 'notes')?.data?.['notes'] ?? '';
    assert.ok(text.includes(`--subject system:serviceaccount:shop:${release} `), text);
    const { user = '' } =
      /user: (?<user>.+)/.exec(manifests.find(({ data }) => data?.['proxy.yaml'])?.data?.['proxy.yaml'] ?? '')
        ?.groups ?? {};
    assert.ok(text.includes(`pgaadauth_create_principal('${user}', false, false)`), text);
    assert.match(
      text,
      example === 'shared'
        ? /pg-entra-proxy\.shop\.svc:5432/
        : new RegExp(`(?:deployment|cronjob)/${release}\\b`),
    );
    assert.doesNotMatch(text, /<no value>|nil/);
  }
});

/** What makes a proxy's pod what it is, however it is written down. */
function podEssence(manifests: readonly Manifest[]): unknown {
  const [pod] = podTemplatesOf(manifests) as [PodTemplate];
  const [proxy] = pod.containers.filter(isProxy) as [IContainer];
  const config = loadProxy(proxy, pod, manifests);
  if (config instanceof UsageError) throw config;
  const { securityContext, terminationGracePeriodSeconds, restartPolicy, enableServiceLinks } = pod.spec;
  const { startupProbe, readinessProbe, livenessProbe, ports, resources } = proxy;
  return {
    pod: { securityContext, terminationGracePeriodSeconds, restartPolicy, enableServiceLinks },
    isSidecar: proxy.restartPolicy === 'Always' && pod.spec.initContainers?.includes(proxy) === true,
    containers: pod.containers.length,
    proxy: {
      startupProbe,
      readinessProbe,
      livenessProbe,
      ports,
      resources,
      securityContext: proxy.securityContext,
    },
    settings: { ...config.settings, config: undefined },
    servers: config.servers.map(({ server, settings }) => ({
      server,
      settings: { ...settings, config: undefined },
    })),
  };
}

/** An object's spec, without the label that only Helm's objects have. */
function specOf(manifests: readonly Manifest[], kind: string): unknown {
  const spec = manifests.find((manifest) => manifest.kind === kind)?.spec;
  if (spec === undefined) return undefined;
  return JSON.parse(
    JSON.stringify(spec, (key, value: unknown) => (key === 'app.kubernetes.io/instance' ? undefined : value)),
  );
}
