import type { IContainer } from 'kubernetes-models/v1';
import { isProxy, type Manifest, type PodTemplate, podTemplatesOf } from './manifests.ts';

const USE_LABEL = 'azure.workload.identity/use';
const SKIP_ANNOTATION = 'azure.workload.identity/skip-containers';
const CLIENT_ID_ANNOTATION = 'azure.workload.identity/client-id';

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Volumes that restricted pods may have. */
const VOLUMES = ['configMap', 'emptyDir', 'secret', 'projected', 'downwardAPI'];

/** What is wrong with the pods' rights: more than restricted, or the token for more than the proxy. */
export function securityProblems(manifests: readonly Manifest[]): string[] {
  return podTemplatesOf(manifests).flatMap((pod) => [
    ...podProblems(pod),
    ...pod.containers.flatMap((container) =>
      containerProblems(container).map((problem) => `${container.name}: ${problem}`),
    ),
    ...tokenProblems(pod, manifests),
  ]);
}

/**
 * Pod Security's profile "restricted", and more: nothing of the node, no token of Kubernetes.
 *
 * @see https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
 */
function podProblems({ spec }: PodTemplate): string[] {
  const { securityContext = {}, volumes = [] } = spec;
  const wanted: readonly (readonly [boolean, string])[] = [
    [securityContext.runAsNonRoot === true, 'the pod must have runAsNonRoot'],
    [(securityContext.runAsUser ?? 0) > 0, 'the pod must have a runAsUser, not 0'],
    [
      securityContext.seccompProfile?.type === 'RuntimeDefault',
      'the pod must have seccompProfile RuntimeDefault',
    ],
    [spec.automountServiceAccountToken === false, 'the pod must not mount a token of Kubernetes'],
    [spec.enableServiceLinks === false, 'the pod must not get variables of Services'],
    [!spec.hostNetwork && !spec.hostPID && !spec.hostIPC, "the pod must stay out of the node's namespaces"],
  ];
  const others = volumes.filter((volume) => !VOLUMES.some((kind) => kind in volume));
  return [
    ...wanted.filter(([holds]) => !holds).map(([, problem]) => problem),
    ...others.map(({ name }) => `the volume ${name} is of a kind that restricted pods may not have`),
  ];
}

function containerProblems({ securityContext = {}, resources = {}, ports = [] }: IContainer): string[] {
  const { requests = {}, limits = {} } = resources;
  const { capabilities } = securityContext;
  const wanted: readonly (readonly [boolean, string])[] = [
    [securityContext.runAsNonRoot === true, 'must have runAsNonRoot'],
    [securityContext.allowPrivilegeEscalation === false, 'must not allow privilege escalation'],
    [securityContext.readOnlyRootFilesystem === true, 'must have a read-only root file system'],
    [
      securityContext.privileged !== true && securityContext.runAsUser === undefined,
      'must not be privileged',
    ],
    [capabilities?.drop?.join() === 'ALL' && capabilities.add === undefined, 'must drop all capabilities'],
    [requests['cpu'] !== undefined && requests['memory'] !== undefined, 'must request CPU and memory'],
    [limits['memory'] !== undefined, 'must have a limit of memory'],
    [limits['cpu'] === undefined, 'must have no limit of CPU'],
    [ports.every(({ hostPort }) => hostPort === undefined), 'must have no port of the node'],
  ];
  return wanted.filter(([holds]) => !holds).map(([, problem]) => problem);
}

/**
 * Who gets the token that Entra takes, as the webhook of AKS decides it: in pods with the label, all containers
 * that the annotation does not name, init containers included.
 *
 * @see https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html
 */
function tokenProblems(
  { labels, annotations, spec, containers }: PodTemplate,
  manifests: readonly Manifest[],
): string[] {
  if (!containers.some(isProxy))
    return labels[USE_LABEL] === undefined ? [] : ['the pod gets a token for nothing'];
  const names = containers.map(({ name }) => name);
  const skipped = (annotations[SKIP_ANNOTATION] ?? '').split(';').filter((name) => name !== '');
  const account = manifests.find(
    ({ kind, metadata }) => kind === 'ServiceAccount' && metadata.name === spec.serviceAccountName,
  );
  const clientId = account?.metadata.annotations?.[CLIENT_ID_ANNOTATION];
  return [
    ...(labels[USE_LABEL] === 'true' ? [] : [`the pod needs the label ${USE_LABEL}: "true"`]),
    ...(clientId !== undefined && GUID.test(clientId)
      ? []
      : [`the ServiceAccount ${spec.serviceAccountName} needs a client id`]),
    ...skipped
      .filter((name) => !names.includes(name))
      .map((name) => `skip-containers names ${name}, which is not there`),
    ...containers
      .filter((one) => isProxy(one) === skipped.includes(one.name))
      .map((one) => `${one.name} ${isProxy(one) ? 'must' : 'must not'} get the token`),
  ];
}
