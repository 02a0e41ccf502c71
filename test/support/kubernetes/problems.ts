import type { Manifest } from './manifests.ts';
import { proxyProblems } from './proxy-rules.ts';
import { referenceProblems } from './reference-rules.ts';
import { schemaProblems } from './schema.ts';
import { securityProblems } from './security-rules.ts';

/**
 * Everything that is wrong with objects that are applied together.
 *
 * @param elsewhere - names of ConfigMaps that are made by hand.
 */
export function problemsOf(manifests: readonly Manifest[], elsewhere: readonly string[] = []): string[] {
  const unknown = manifests.flatMap(schemaProblems);
  // The rules take for granted that everything is of the right type.
  if (unknown.length > 0) return unknown;
  return [
    ...securityProblems(manifests),
    ...proxyProblems(manifests),
    ...referenceProblems(manifests, elsewhere),
  ];
}
