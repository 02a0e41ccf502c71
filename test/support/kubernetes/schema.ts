import { validate as deployment } from 'kubernetes-models/_schemas/IoK8sApiAppsV1Deployment';
import { validate as autoscaler } from 'kubernetes-models/_schemas/IoK8sApiAutoscalingV2HorizontalPodAutoscaler';
import { validate as cronJob } from 'kubernetes-models/_schemas/IoK8sApiBatchV1CronJob';
import { validate as job } from 'kubernetes-models/_schemas/IoK8sApiBatchV1Job';
import { validate as configMap } from 'kubernetes-models/_schemas/IoK8sApiCoreV1ConfigMap';
import { validate as namespace } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Namespace';
import { validate as service } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Service';
import { validate as serviceAccount } from 'kubernetes-models/_schemas/IoK8sApiCoreV1ServiceAccount';
import { validate as networkPolicy } from 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy';
import { validate as disruptionBudget } from 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget';
import type { Manifest } from './manifests.ts';

/** Compiled by Ajv from Kubernetes' own OpenAPI document. */
type Validate = ((data: unknown) => boolean) & {
  readonly errors?:
    | readonly { readonly instancePath: string; readonly keyword: string; readonly params: object }[]
    | null;
};

const SCHEMAS: Readonly<Record<string, Validate>> = {
  'v1 Namespace': namespace,
  'v1 ServiceAccount': serviceAccount,
  'v1 ConfigMap': configMap,
  'v1 Service': service,
  'apps/v1 Deployment': deployment,
  'batch/v1 CronJob': cronJob,
  'batch/v1 Job': job,
  'autoscaling/v2 HorizontalPodAutoscaler': autoscaler,
  'policy/v1 PodDisruptionBudget': disruptionBudget,
  'networking.k8s.io/v1 NetworkPolicy': networkPolicy,
};

/** What Kubernetes' schema has against an object, fields included that it does not know. */
export function schemaProblems(manifest: Manifest): string[] {
  const what = `${manifest.apiVersion} ${manifest.kind}`;
  const validate = SCHEMAS[what];
  if (validate === undefined) return [`${what}: no schema for that`];
  const unread = new Set<string>();
  const isValid = validate(watch(manifest, '', unread));
  const errors = isValid ? [] : (validate.errors ?? []);
  return [
    ...errors.map(
      ({ instancePath, keyword, params }) => `${instancePath}: ${keyword} ${JSON.stringify(params)}`,
    ),
    ...[...unread].map((path) => `${path}: no such field`),
  ];
}

/**
 * A copy that strikes off what is looked at. Kubernetes' schemas let unknown fields pass; but a validator reads
 * each field that its schema names, and each entry of a map, and nothing else.
 */
function watch(value: unknown, path: string, unread: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => {
    const at = `${path}/${key}`;
    unread.add(at);
    const watched = watch(inner, at, unread);
    const get = (): unknown => {
      unread.delete(at);
      return watched;
    };
    return [key, { get, enumerable: true }] as const;
  });
  return Object.defineProperties(Array.isArray(value) ? [] : {}, Object.fromEntries(entries));
}
