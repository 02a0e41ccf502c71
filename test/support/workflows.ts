import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const permissionsSchema = z.record(z.string(), z.enum(['read', 'write', 'none']));

const stepSchema = z.strictObject({
  name: z.string().optional(),
  id: z.string().optional(),
  uses: z.string().optional(),
  with: z.record(z.string(), z.unknown()).default({}),
  run: z.string().optional(),
  shell: z.string().optional(),
  env: z.record(z.string(), z.string()).default({}),
});

const jobSchema = z.strictObject({
  needs: z.union([z.string().transform((one) => [one]), z.array(z.string())]).default([]),
  uses: z.string().optional(),
  strategy: z
    .strictObject({
      'fail-fast': z.boolean(),
      matrix: z.record(z.string(), z.array(z.union([z.string(), z.number()]))),
    })
    .optional(),
  'runs-on': z.string().optional(),
  'timeout-minutes': z.number().optional(),
  environment: z.string().optional(),
  permissions: permissionsSchema.default({}),
  steps: z.array(stepSchema).default([]),
});

const workflowSchema = z.strictObject({
  name: z.string(),
  on: z.record(z.string(), z.unknown()),
  permissions: permissionsSchema,
  concurrency: z.record(z.string(), z.unknown()),
  jobs: z.record(z.string(), jobSchema),
});

/** A workflow of GitHub Actions; only what ours use is known here, so that nothing new goes unseen. */
export type Workflow = z.infer<typeof workflowSchema>;

const DIRECTORY = '.github/workflows';

/** All of them, by the name of the file. */
export function readWorkflows(): Readonly<Record<string, Workflow>> {
  const files = readdirSync(DIRECTORY).map((name): [string, Workflow] => {
    return [name, workflowSchema.parse(parse(readFileSync(join(DIRECTORY, name), 'utf8')))];
  });
  return Object.fromEntries(files);
}

/** Every step of every job. */
export function stepsOf({ jobs }: Workflow) {
  return Object.values(jobs).flatMap(({ steps }) => steps);
}

/** The jobs that a job waits for, whether it says so itself or they do. */
export function allNeeds(workflow: Workflow, name: string): Set<string> {
  const direct = workflow.jobs[name]?.needs ?? [];
  return new Set(direct.flatMap((one) => [one, ...allNeeds(workflow, one)]));
}
