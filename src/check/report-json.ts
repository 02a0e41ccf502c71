import type { Step, StepStatus } from './step.ts';

/** All steps as one JSON object. */
export function reportJson(version: string, steps: readonly Step[], warnings: readonly string[]): string {
  const report = {
    version,
    outcome: outcomeOf(steps),
    warnings,
    steps: steps.map(({ id, server, clientUser, status, summary, facts, repair }) => ({
      id,
      server,
      clientUser: clientUser ?? null,
      status,
      summary,
      details: facts,
      repair,
    })),
  };
  return JSON.stringify(report, null, 2);
}

/** The worst that was found. */
export function outcomeOf(steps: readonly Step[]): Exclude<StepStatus, 'skipped'> {
  const statuses = new Set(steps.map(({ status }) => status));
  if (statuses.has('failed')) return 'failed';
  return statuses.has('warning') ? 'warning' : 'ok';
}
