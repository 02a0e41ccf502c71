import { readFileSync } from 'node:fs';
import { UsageError } from '../../../src/errors.ts';
import { isProxy, type Manifest, type PodTemplate, podTemplatesOf } from './manifests.ts';
import { loadProxy } from './proxy-rules.ts';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

type Labels = Readonly<Record<string, string>>;

/**
 * What does not fit together: names, labels, ports, the image's version.
 *
 * @param elsewhere - names of ConfigMaps that are made by hand; Secrets always are.
 */
export function referenceProblems(
  manifests: readonly Manifest[],
  elsewhere: readonly string[] = [],
): string[] {
  const pods = podTemplatesOf(manifests);
  const configMaps = manifests
    .filter(({ kind }) => kind === 'ConfigMap')
    .map(({ metadata }) => metadata.name);
  const maps = [...configMaps, ...elsewhere];
  return [
    ...namespaceProblems(manifests),
    ...pods.flatMap((pod) => [
      ...portProblems(pod, manifests),
      ...volumeProblems(pod, maps),
      ...imageProblems(pod),
    ]),
    ...manifests.flatMap((manifest) => [
      ...selectorProblems(manifest, pods),
      ...usedPortProblems(manifest, pods),
      ...targetProblems(manifest, manifests),
    ]),
  ];
}

function namespaceProblems(manifests: readonly Manifest[]): string[] {
  const names = new Set(
    manifests.map(({ kind, metadata }) => (kind === 'Namespace' ? metadata.name : metadata.namespace)),
  );
  return names.size === 1 && !names.has(undefined) ? [] : [`not one namespace: ${[...names].join()}`];
}

/** The ports that a container declares are those that the proxy opens for other machines. */
function portProblems(pod: PodTemplate, manifests: readonly Manifest[]): string[] {
  return pod.containers.filter(isProxy).flatMap((container) => {
    const config = loadProxy(container, pod, manifests);
    // What `exec` runs may open whatever it likes.
    if (config instanceof UsageError || container.args?.[0] === 'exec') return [];
    const { settings, servers } = config;
    const isRemote = settings['allow-remote-clients'];
    const opened = isRemote ? [...servers.map((server) => server.settings.port), settings['admin-port']] : [];
    const declared = (container.ports ?? []).map(({ containerPort }) => containerPort);
    if (declared.join() === opened.join()) return [];
    return [`${container.name} declares the ports ${declared.join()}, and opens ${opened.join()}`];
  });
}

/** What is mounted is there; Secrets are made by hand, and must only not be optional. */
function volumeProblems({ spec, containers }: PodTemplate, configMaps: readonly string[]): string[] {
  const { volumes = [] } = spec;
  const mounted = containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
  const problems: string[] = [];
  for (const name of mounted.filter((one) => !volumes.some((volume) => volume.name === one)))
    problems.push(`no volume ${name}`);
  for (const { name, configMap, secret } of volumes) {
    if (!mounted.includes(name)) problems.push(`nobody mounts the volume ${name}`);
    if (configMap?.optional === true || secret?.optional === true)
      problems.push(`the volume ${name} must be there`);
    // Others of the pod could read the key otherwise.
    if (secret !== undefined && secret.defaultMode !== 0o440)
      problems.push(`the volume ${name} must be of mode 0440`);
    if (configMap !== undefined && !configMaps.includes(configMap.name ?? ''))
      problems.push(`no ConfigMap ${configMap.name}`);
  }
  return problems;
}

function imageProblems({ containers }: PodTemplate): string[] {
  return containers
    .filter((container) => isProxy(container) && !container.image?.endsWith(`:${version}`))
    .map(({ image }) => `${image} is not of version ${version}`);
}

/** Whatever selects pods, selects one that is there. */
function selectorProblems({ kind, metadata, spec = {} }: Manifest, pods: readonly PodTemplate[]): string[] {
  const selector = (spec['selector'] ?? spec['podSelector']) as
    | (Labels & { matchLabels?: Labels })
    | undefined;
  if (selector === undefined) return [];
  const labels = kind === 'Service' ? selector : (selector.matchLabels ?? {});
  const candidates = kind === 'Deployment' ? pods.filter(({ owner }) => owner.metadata === metadata) : pods;
  const isMet = candidates.some((pod) =>
    Object.entries(labels).every(([name, value]) => pod.labels[name] === value),
  );
  return isMet && Object.keys(labels).length > 0 ? [] : [`${kind} ${metadata.name} selects no pod`];
}

interface PortUser {
  readonly ports?: readonly { readonly targetPort?: unknown }[];
  readonly ingress?: readonly { readonly ports?: readonly { readonly port?: unknown }[] }[];
}

/** Named ports of Services and of what a NetworkPolicy lets in. */
function usedPortProblems({ kind, metadata, spec = {} }: Manifest, pods: readonly PodTemplate[]): string[] {
  const { ports = [], ingress = [] } = spec as PortUser;
  const used = [
    ...(kind === 'Service' ? ports.map(({ targetPort }) => targetPort) : []),
    ...ingress.flatMap((rule) => (rule.ports ?? []).map(({ port }) => port)),
  ];
  const named = pods.flatMap(({ containers }) =>
    containers.flatMap((one) => (one.ports ?? []).map(({ name }) => name)),
  );
  return used
    .filter((port) => !named.includes(port as string))
    .map((port) => `${kind} ${metadata.name}: no port ${String(port)}`);
}

function targetProblems({ kind, metadata, spec = {} }: Manifest, manifests: readonly Manifest[]): string[] {
  const target = spec['scaleTargetRef'] as { kind: string; name: string } | undefined;
  if (target === undefined) return [];
  const scaled = manifests.find((one) => one.kind === target.kind && one.metadata.name === target.name);
  if (scaled === undefined) return [`${kind} ${metadata.name} scales nothing`];
  return scaled.spec?.['replicas'] === undefined
    ? []
    : [`${target.name} says how many replicas, and so does ${kind}`];
}
