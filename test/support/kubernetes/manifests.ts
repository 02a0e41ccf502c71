import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import type { IContainer, IPodTemplateSpec } from 'kubernetes-models/v1';
import { parseAllDocuments } from 'yaml';

/** Where the manifests, the chart and the Terraform example are. */
export const DEPLOY = fileURLToPath(new URL('../../../deploy/', import.meta.url));

/** The plain manifests, by file name. */
export const MANIFEST_FILES: readonly string[] = readdirSync(`${DEPLOY}kubernetes`)
  .filter((name) => name.endsWith('.yaml'))
  .toSorted();

/** An object of Kubernetes, as far as the rules look at it; the schema has looked at the rest. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** A pod as a Deployment or a CronJob makes it. */
export interface PodTemplate {
  readonly owner: Manifest;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: NonNullable<IPodTemplateSpec['spec']>;
  /** Those of initContainers first. */
  readonly containers: readonly IContainer[];
}

/** Reads a plain manifest by its file name. */
export function readManifestFile(name: string): Manifest[] {
  return parseManifests(readFileSync(`${DEPLOY}kubernetes/${name}`, 'utf8'));
}

/**
 * Reads the documents of a YAML text.
 *
 * @throws Error if it is no YAML, or if YAML 1.1, which Kubernetes reads, and 1.2 differ about it (`yes`, `0440`).
 */
export function parseManifests(text: string): Manifest[] {
  const [old, current] = (['1.1', '1.2'] as const).map((version) =>
    parseAllDocuments(text, { version, strict: true }).map((document) => {
      for (const problem of [...document.errors, ...document.warnings]) throw problem;
      return document.toJS() as Manifest | null;
    }),
  );
  if (!isDeepStrictEqual(old, current)) throw new Error('what YAML 1.1 and 1.2 read differently');
  return (current ?? []).filter((manifest) => manifest !== null);
}

/** The pods that these objects make. */
export function podTemplatesOf(manifests: readonly Manifest[]): PodTemplate[] {
  return manifests.flatMap((owner) => {
    const template = templateOf(owner);
    const { spec } = template ?? {};
    if (spec === undefined) return [];
    const { labels = {}, annotations = {} } = template?.metadata ?? {};
    return [
      { owner, labels, annotations, spec, containers: [...(spec.initContainers ?? []), ...spec.containers] },
    ];
  });
}

interface WithTemplate {
  readonly template?: IPodTemplateSpec;
  readonly jobTemplate?: { readonly spec?: { readonly template?: IPodTemplateSpec } };
}

function templateOf({ spec }: Manifest): IPodTemplateSpec | undefined {
  const { template, jobTemplate } = (spec ?? {}) as WithTemplate;
  return template ?? jobTemplate?.spec?.template;
}

/** The one container of that name. */
export function containerNamed(manifests: readonly Manifest[], name: string): IContainer {
  const found = podTemplatesOf(manifests).flatMap(({ containers }) =>
    containers.filter((one) => one.name === name),
  );
  if (found.length !== 1) throw new Error(`${found.length} containers are called ${name}`);
  return found[0] as IContainer;
}

/** Whether a container's image is this program, alone or with something else. */
export function isProxy({ image = '' }: IContainer): boolean {
  return /\/pg-entra-proxy(?:-\w+)?[:@]/.test(image);
}

/** The variables that a manifest itself gives to a container. */
export function environmentOf({ env = [] }: IContainer): Record<string, string> {
  return Object.fromEntries(env.map(({ name, value = '' }) => [name, value]));
}

/** A container's words with its variables put in, as the kubelet does it: `$(NAME)`. */
export function expand(words: readonly string[], env: Readonly<Record<string, string>>): string[] {
  return words.map((word) => word.replaceAll(/\$\((\w+)\)/g, (text, name: string) => env[name] ?? text));
}
