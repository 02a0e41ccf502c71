import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';

const serviceSchema = z.strictObject({
  image: z.string(),
  build: z.union([z.string(), z.strictObject({ context: z.string(), target: z.string() })]).optional(),
  command: z.array(z.string()),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.string() })).default({}),
  user: z.string().optional(),
  network_mode: z.string().optional(),
  healthcheck: z.object({ test: z.array(z.string()).optional() }).optional(),
  stop_grace_period: z.string().optional(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
});

const composeSchema = z.strictObject({
  name: z.string(),
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.null()),
});

/** What docker/compose.yml says; only what it uses is known here, so that nothing new goes unseen. */
export type Compose = z.infer<typeof composeSchema>;
export type Service = z.infer<typeof serviceSchema>;

export const COMPOSE_FILE = 'docker/compose.yml';

export function readCompose(): Compose {
  return composeSchema.parse(parse(readFileSync(COMPOSE_FILE, 'utf8'), { merge: true }));
}

/** What takes the place of something that a container has and this machine has not: a path, a host, a port. */
export type Replacements = Readonly<Record<string, string>>;

/**
 * A service's command and environment as they are outside of a container.
 *
 * @param volumes - the directory that each volume is.
 * @param others - the longest come first.
 */
export function outside(service: Service, volumes: Replacements, others: Replacements) {
  const paths = service.volumes.map((volume): [string, string] => {
    const [name = '', path = ''] = volume.split(':');
    const directory = volumes[name];
    if (directory === undefined) throw new Error(`nothing takes the place of the volume ${name}`);
    return [path, directory];
  });
  const all = [...paths, ...Object.entries(others)].toSorted(([one], [other]) => other.length - one.length);
  const replace = (text: string): string =>
    all.reduce((result, [from, to]) => result.replaceAll(from, to), text);
  const environment = Object.entries(service.environment).map(([name, value]) => [name, replace(value)]);
  return {
    command: service.command.map(replace),
    environment: Object.fromEntries(environment) as Record<string, string>,
  };
}
