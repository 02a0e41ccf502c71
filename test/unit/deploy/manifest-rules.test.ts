import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DEPLOY, parseManifests } from '../../support/kubernetes/manifests.ts';
import { problemsOf } from '../../support/kubernetes/problems.ts';

/** One change to a manifest, and what must be said of it. */
type Mutation = readonly [file: string, from: string | RegExp, to: string, problem: RegExp];

const MUTATIONS: readonly Mutation[] = [
  ['sidecar.yaml', 'fsGroup: 65532', 'fsGroup: "65532"', /fsGroup: type/],
  ['sidecar.yaml', '- name: app\n', '- title: app\n', /required.*"name"/],
  ['shared.yaml', 'kind: Service\n', 'kind: Servce\n', /no schema/],
  [
    'sidecar.yaml',
    '        runAsNonRoot: true\n',
    '        runAsNonRoot: false\n',
    /the pod must have runAsNonRoot/,
  ],
  ['sidecar.yaml', 'runAsUser: 65532', 'runAsUser: 0', /the pod must have a runAsUser/],
  ['sidecar.yaml', 'type: RuntimeDefault', 'type: Unconfined', /seccompProfile/],
  [
    'sidecar.yaml',
    '      automountServiceAccountToken: false',
    '      automountServiceAccountToken: true',
    /token of Kubernetes/,
  ],
  ['shared.yaml', 'enableServiceLinks: false', 'enableServiceLinks: true', /variables of Services/],
  [
    'sidecar.yaml',
    'enableServiceLinks: false',
    'enableServiceLinks: false\n      hostNetwork: true',
    /node's namespaces/,
  ],
  ['cronjob-seed.yaml', /emptyDir:\n.*\n.*1Mi/, 'hostPath: { path: /tmp }', /tmp is of a kind/],
  [
    'sidecar.yaml',
    'allowPrivilegeEscalation: false',
    'allowPrivilegeEscalation: true',
    /pg-entra-proxy: must not allow/,
  ],
  ['sidecar.yaml', 'readOnlyRootFilesystem: true', 'readOnlyRootFilesystem: false', /read-only root/],
  ['sidecar.yaml', 'drop: [ALL]', 'drop: [NET_RAW]', /drop all/],
  ['sidecar.yaml', 'drop: [ALL]', 'drop: [ALL]\n              add: [NET_ADMIN]', /drop all/],
  ['sidecar.yaml', 'cpu: 50m', 'ephemeral-storage: 1Mi', /request CPU/],
  ['sidecar.yaml', 'memory: 384Mi', 'cpu: 1', /limit of memory[^]*no limit of CPU/],
  [
    'sidecar.yaml',
    'skip-containers: app',
    'skip-containers: ap',
    /skip-containers names ap[^]*app must not get the token/,
  ],
  [
    'sidecar.yaml',
    'skip-containers: app',
    'skip-containers: app;pg-entra-proxy',
    /pg-entra-proxy must get the token/,
  ],
  ['shared-client.yaml', 'pg-entra-proxy/client:', 'azure.workload.identity/use:', /a token for nothing/],
  ['cronjob-sidecar.yaml', 'skip-containers: psql', 'skip-container: psql', /psql must not get the token/],
  [
    'shared.yaml',
    'azure.workload.identity/use: "true"',
    'azure.workload.identity/use: "yes"',
    /needs the label/,
  ],
  [
    'shared.yaml',
    'serviceAccountName: pg-entra-proxy',
    'serviceAccountName: default',
    /default needs a client id/,
  ],
  ['shared.yaml', '00000000-0000-4000-8000-000000000003', 'pg-entra-proxy', /needs a client id/],
  ['sidecar.yaml', '--drain-timeout=20s', '--drain-timout=20s', /--drain-timout is not a flag/],
  ['sidecar.yaml', '--drain-timeout=20s', '--drain-timeout=20', /--drain-timeout/],
  ['sidecar.yaml', 'PGEP_ADMIN_PORT', 'PGEP_ADMIN_PROT', /PGEP_ADMIN_PROT is not a setting[^]*wait finds/],
  ['sidecar.yaml', '- run\n', '- serve\n', /serve is no command/],
  ['sidecar.yaml', '--credential=workload-identity', '--credential=default', /must be workload-identity/],
  ['sidecar.yaml', / +- --user=orders-identity.*\n/, '', /the role must be said/],
  ['shared.yaml', / +- --local-auth=scram-sha-256\n/, '', /needs --local-auth/],
  [
    'sidecar.yaml',
    'terminationGracePeriodSeconds: 65',
    'terminationGracePeriodSeconds: 20',
    /more than the 20 s/,
  ],
  ['shared.yaml', / +terminationGracePeriodSeconds: 90\n/, '', /more than the 75 s/],
  ['shared.yaml', '--admin-address=0.0.0.0', '--admin-address=127.0.0.1', /cannot reach the admin listener/],
  ['shared.yaml', 'path: /readiness', 'path: /ready', /no \/ready for probes/],
  ['shared.yaml', /(readinessProbe:[^]*?)port: admin/, '$1port: postgres', /not the admin listener's/],
  ['sidecar.yaml', /startupProbe:/, 'readinessProbe:', /no startupProbe/],
  ['sidecar.yaml', 'wait, --timeout=8s', 'status, --timeout=8s', /must run wait/],
  ['sidecar.yaml', '--timeout=8s', '--timeout=10s', /must end by itself/],
  ['sidecar.yaml', /  namespace: shop\n  labels/, '  namespace: store\n  labels', /not one namespace/],
  [
    'shared.yaml',
    'containerPort: 6432',
    'containerPort: 5432',
    /declares the ports 5432,9090, and opens 6432,9090/,
  ],
  [
    'shared.yaml',
    'targetPort: postgres',
    'targetPort: postgresql',
    /Service pg-entra-proxy: no port postgresql/,
  ],
  [
    'shared.yaml',
    '        - port: postgres\n',
    '        - port: pg\n',
    /NetworkPolicy pg-entra-proxy: no port pg/,
  ],
  [
    'shared.yaml',
    /(kind: Service\n[^]*?selector:\n.*name: )pg-entra-proxy/,
    '$1pg-proxy',
    /Service pg-entra-proxy selects no pod/,
  ],
  ['shared.yaml', /(kind: Deployment\n    name: )pg-entra-proxy/, '$1pg-proxy', /scales nothing/],
  ['shared.yaml', /(kind: Deployment\n[^]*?spec:\n)/, '$1  replicas: 2\n', /says how many replicas/],
  ['shared.yaml', 'defaultMode: 288', 'defaultMode: 292', /mode 0440/],
  [
    'shared.yaml',
    '- name: tls\n              mountPath',
    '- name: tsl\n              mountPath',
    /no volume tsl[^]*nobody mounts the volume tls/,
  ],
  [
    'cronjob-seed.yaml',
    'configMap:\n                name: seed',
    'configMap:\n                name: sed',
    /no ConfigMap sed/,
  ],
  ['sidecar.yaml', /pg-entra-proxy:[\d.]+/, 'pg-entra-proxy:latest', /is not of version/],
];

for (const [file, from, to, problem] of MUTATIONS) {
  test(`noticed in ${file}: ${JSON.stringify(to)} in the place of ${String(from).replaceAll('\n', ' ')}`, () => {
    const text = readFileSync(`${DEPLOY}kubernetes/${file}`, 'utf8');
    const broken = text.replace(from, to);
    assert.notEqual(broken, text);
    assert.match(problemsOf(parseManifests(broken)).join('\n'), problem);
  });
}
