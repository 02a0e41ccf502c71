import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missing } from '../clients.ts';
import { DEPLOY, type Manifest, parseManifests } from './manifests.ts';

export const CHART = `${DEPLOY}helm/pg-entra-proxy`;

/** Why tests of the chart must be skipped here; false when they need not. */
export const noHelm = missing('helm');

/** A version of Kubernetes that the chart is for; Helm's own idea depends on how it was built. */
const KUBERNETES = '1.33.0';

/** What is to be rendered. */
export interface Rendering {
  readonly release?: string;
  /** A file of examples/. */
  readonly example?: string;
  /** They win over the example's. */
  readonly values?: object;
  readonly chart?: string;
}

/**
 * Renders the chart for namespace `shop`.
 *
 * @throws Error with what Helm says, if it refuses.
 */
export function renderChart(rendering: Rendering): Manifest[] {
  const { chart = CHART, release = 'demo' } = rendering;
  const namespace = ['--namespace', 'shop', '--kube-version', KUBERNETES];
  return parseManifests(helm(['template', release, chart, ...namespace], rendering));
}

/** What Helm's own checks say of the chart with these values; throws if they fail. */
export function lintChart(rendering: Rendering): string {
  return helm(['lint', '--strict', CHART], rendering);
}

function helm(args: readonly string[], { example, values = {} }: Rendering): string {
  const home = mkdtempSync(join(tmpdir(), 'pg-entra-test-'));
  try {
    const file = join(home, 'values.yaml');
    writeFileSync(file, JSON.stringify(values));
    const files = [...(example === undefined ? [] : [`${CHART}/examples/${example}.yaml`]), file];
    const { status, stdout, stderr } = spawnSync(
      'helm',
      [...args, ...files.flatMap((one) => ['--values', one])],
      {
        encoding: 'utf8',
        // Nothing of whoever runs the tests.
        env: { PATH: process.env['PATH'], HOME: home },
      },
    );
    if (status !== 0) throw new Error(`helm ${args[0]} ended with ${status}:\n${stderr}${stdout}`);
    return stdout;
  } finally {
    rmSync(home, { recursive: true });
  }
}
