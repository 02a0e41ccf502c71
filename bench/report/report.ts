import type { Versions } from '../versions.ts';
import type { Sample } from './metrics.ts';
import { summarize } from './summary.ts';
import { formatTable } from './table.ts';
import { judgeTargets } from './targets.ts';

/** What the JSON file holds. */
export interface Report {
  readonly startedAt: string;
  readonly quick: boolean;
  readonly rounds: number;
  readonly versions: Versions;
  readonly contenders: readonly ReportedContender[];
  readonly samples: readonly Sample[];
}

interface ReportedContender {
  readonly name: string;
  readonly kind: 'direct' | 'proxy' | 'peer';
}

/** All of it as text: what ran, the table, the targets, and what failed. */
export function formatReport(report: Report, { markdown }: { readonly markdown: boolean }): string {
  const references = referencesOf(report.contenders);
  const rows = summarize(report.samples, references);
  // Direct TLS has no part in some workloads: no empty column for it then.
  const shown = references.filter((name) => rows.some(({ ratios }) => name in ratios));
  const paragraphs = [
    describe(report),
    formatTable(rows, shown, markdown ? 'markdown' : 'text'),
    listOf('Targets', judgeTargets(rows)),
    listOf('Failed', report.samples.flatMap(describeFailure)),
  ];
  return paragraphs.filter((text) => text !== '').join('\n\n');
}

function describe({ versions, rounds, quick }: Report): string {
  const { node, postgres, pgbench, stunnel, pgbouncer, linux, cpu, cpuCount } = versions;
  const peers = Object.entries({ pgbench, stunnel, PgBouncer: pgbouncer });
  const installed = peers.filter(([, version]) => version !== undefined).map((peer) => peer.join(' '));
  const programs = [`Node.js ${node}`, postgres, ...installed].join(', ');
  const machine = `Linux ${linux}, ${cpuCount} cores (${cpu})`;
  return `${programs}; ${machine}; ${rounds} round(s)${quick ? ', quick' : ''}. Ratios are of medians.`;
}

/** Whom everybody is compared with: direct TLS, builds other than the one made here, and the peers. */
function referencesOf(contenders: readonly ReportedContender[]): string[] {
  const proxies = contenders.filter(({ kind }) => kind === 'proxy');
  const others = contenders.filter(({ kind }) => kind !== 'proxy');
  // With one build alone there is nothing to compare it with but the others.
  return [...others, ...(proxies.length > 1 ? proxies.slice(0, 1) : [])].map(({ name }) => name);
}

function describeFailure({ workload, case: kind, contender, failure }: Sample): string[] {
  return failure === undefined ? [] : [`${contender}, ${workload}, ${kind}: ${failure}`];
}

function listOf(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [`${title}:`, ...lines.map((line) => `- ${line}`)].join('\n');
}
