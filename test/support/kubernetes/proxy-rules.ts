import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IContainer, IProbe } from 'kubernetes-models/v1';
import { type Config, loadConfig } from '../../../src/config/load.ts';
import { parseDuration } from '../../../src/config/parsers.ts';
import { UsageError } from '../../../src/errors.ts';
import { isLoopback } from '../../../src/loopback.ts';
import {
  environmentOf,
  expand,
  isProxy,
  type Manifest,
  type PodTemplate,
  podTemplatesOf,
} from './manifests.ts';

/** How the image starts the program. */
export const PROGRAM = '/usr/local/bin/pg-entra-proxy';

const PROBE_PATHS: readonly unknown[] = ['/startup', '/readiness', '/liveness'];

/** What is wrong with what the proxies are told, and with how they are looked after. */
export function proxyProblems(manifests: readonly Manifest[]): string[] {
  return podTemplatesOf(manifests).flatMap((pod) =>
    pod.containers.filter(isProxy).flatMap((container) => {
      const found = loadProxy(container, pod, manifests);
      if (found instanceof UsageError) return found.problems;
      const isExec = container.args?.[0] === 'exec';
      return [
        ...found.warnings,
        ...settingProblems(found),
        ...(isExec ? [] : graceProblems(found, pod)),
        ...(isExec ? [] : probeProblems(found, container)),
      ];
    }),
  );
}

/**
 * The configuration that a container's arguments, variables and ConfigMap make together. Flags must be written
 * `--name=value`, or `--name` for a switch.
 */
export function loadProxy(
  container: IContainer,
  { spec }: PodTemplate,
  manifests: readonly Manifest[],
): Config | UsageError {
  const directory = mkdtempSync(join(tmpdir(), 'pg-entra-test-'));
  try {
    const env = environmentOf(container);
    const [command, ...words] = expand(container.args ?? [], env);
    if (command !== 'run' && command !== 'exec')
      return new UsageError([`${command} is no command for a container`]);
    const end = words.indexOf('--');
    const own = (end === -1 ? words : words.slice(0, end)).map((word) =>
      placeConfig(word, container, spec, manifests, directory),
    );
    const flags = own.filter((word) => word.startsWith('--')).map(readFlag);
    const servers = own.filter((word) => !word.startsWith('--'));
    return loadConfig(servers, Object.fromEntries(flags), env);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function readFlag(word: string): readonly [string, string | boolean] {
  const [, name = '', value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  return [name, value ?? true];
}

/** Writes the file of --config out of its ConfigMap, and says where it is now. */
function placeConfig(
  word: string,
  { volumeMounts = [] }: IContainer,
  { volumes = [] }: PodTemplate['spec'],
  manifests: readonly Manifest[],
  directory: string,
): string {
  const path = /^--config=(.+)$/.exec(word)?.[1];
  if (path === undefined) return word;
  const mount = volumeMounts.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
  const volume = volumes.find(({ name }) => name === mount?.name);
  const map = manifests.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === volume?.configMap?.name,
  );
  const content = map?.data?.[path.slice((mount?.mountPath.length ?? 0) + 1)];
  if (content === undefined) throw new UsageError([`nothing is mounted at ${path}`]);
  const file = join(directory, 'proxy.yaml');
  writeFileSync(file, content);
  return `--config=${file}`;
}

function settingProblems({ servers }: Config): string[] {
  return servers.flatMap(({ settings: { credential, user }, clientUsers }) => [
    ...(credential === 'workload-identity' ? [] : ['the credential must be workload-identity']),
    // The name is in no token of an application.
    ...(user === 'auto' && clientUsers.size === 0 ? ['the role must be said: --user'] : []),
  ]);
}

function graceProblems({ settings }: Config, { spec }: PodTemplate): string[] {
  const { 'drain-delay': delayMs, 'drain-timeout': timeoutMs } = settings;
  const graceMs = (spec.terminationGracePeriodSeconds ?? 30) * 1_000;
  if (graceMs > delayMs + timeoutMs) return [];
  return [
    `terminationGracePeriodSeconds must be more than the ${(delayMs + timeoutMs) / 1_000} s of a drain`,
  ];
}

function probeProblems(config: Config, container: IContainer): string[] {
  const { startupProbe, readinessProbe, livenessProbe } = container;
  if (startupProbe === undefined) return ['there is no startupProbe'];
  const probes = [startupProbe, readinessProbe, livenessProbe].filter((probe) => probe !== undefined);
  return probes.flatMap((probe) => [
    ...(probe.exec === undefined
      ? httpProbeProblems(probe, config, container)
      : execProbeProblems(probe, config)),
  ]);
}

/** The kubelet comes from the node. */
function httpProbeProblems({ httpGet }: IProbe, { settings }: Config, { ports = [] }: IContainer): string[] {
  const port = ports.find(({ name }) => name === httpGet?.port)?.containerPort;
  return [
    ...(isLoopback(settings['admin-address'])
      ? ['the kubelet cannot reach the admin listener: it is on loopback']
      : []),
    ...(port === settings['admin-port'] ? [] : [`the probe's port is not the admin listener's`]),
    ...(PROBE_PATHS.includes(httpGet?.path) ? [] : [`the admin listener has no ${httpGet?.path} for probes`]),
  ];
}

/** `wait` asks the admin listener that the container's own variables name. */
function execProbeProblems({ exec, timeoutSeconds = 1 }: IProbe, { settings, given }: Config): string[] {
  const [program, command, timeout, ...others] = exec?.command ?? [];
  const waitMs = parseDuration(/^--timeout=(.+)$/.exec(timeout ?? '')?.[1] ?? '0');
  return [
    ...(program === PROGRAM && command === 'wait' && others.length === 0
      ? []
      : ['the probe must run wait --timeout']),
    ...(waitMs > 0 && waitMs < timeoutSeconds * 1_000 ? [] : ['the probe must end by itself, and say why']),
    ...(given.get('admin-port')?.origin === 'PGEP_ADMIN_PORT' && settings['admin-port'] !== 0
      ? []
      : ['wait finds the admin listener by PGEP_ADMIN_PORT only']),
  ];
}
