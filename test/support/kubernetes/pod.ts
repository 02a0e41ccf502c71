import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { IContainer } from 'kubernetes-models/v1';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { CLIENT_ID, type CredentialBench, startCredentialBench, TENANT_ID } from '../credentials.ts';
import { SERVER_NAME } from '../postgres.ts';
import { type Program, startProgram } from '../program.ts';
import { createTestToken } from '../tokens.ts';
import { guideSql } from './guide.ts';
import { environmentOf, expand, type Manifest, podTemplatesOf } from './manifests.ts';

type Environment = Readonly<Record<string, string>>;

/** The directory that each volume is, by name. */
type Volumes = Readonly<Record<string, string>>;

/** A server with the guide's roles, an Entra whose tokens it takes, and what AKS gives to a pod. */
export interface PodBench extends AsyncDisposable {
  readonly credentials: CredentialBench;
  /** What the webhook puts into the proxy's environment, and what leads to the stand-ins. */
  readonly environment: Environment;
  /** Makes directories out of the pod's ConfigMaps and its emptyDirs. */
  mountConfigMaps(manifests: readonly Manifest[]): Promise<Volumes>;
  /** Starts the program as the container's image does, with exactly the container's arguments. */
  startProxy(container: IContainer, volumes: Volumes, env?: Environment): Program;
}

export async function startPodBench(): Promise<PodBench> {
  const credentials = await startCredentialBench();
  const { files, server, serverCa } = credentials;
  const roles = await runGuideSql(credentials);
  const entra = await credentials.startEntra({
    onMint: async (token) => {
      credentials.keepSecret(token);
      const sql = roles.map(
        (role) => `alter role ${escapeIdentifier(role)} password ${escapeLiteral(token)}`,
      );
      await server.postgres.admin(sql.join(';'));
    },
  });
  const assertion = credentials.keepSecret(createTestToken({ sub: 'system:serviceaccount:shop:test' }));
  const environment = {
    AZURE_TENANT_ID: TENANT_ID,
    AZURE_CLIENT_ID: CLIENT_ID,
    AZURE_FEDERATED_TOKEN_FILE: await files.write('azure-identity-token', assertion),
    AZURE_AUTHORITY_HOST: entra.authorityHost,
    NODE_EXTRA_CA_CERTS: join(files.directory, 'entra-ca.pem'),
    PGEP_DISABLE_INSTANCE_DISCOVERY: 'true',
    PGEP_UPSTREAM_ADDRESS: '127.0.0.1',
    PGEP_UPSTREAM_PORT: String(server.postgres.port),
    PGEP_SERVER_NAME: SERVER_NAME,
    PGEP_CA: serverCa,
  };
  return {
    credentials,
    environment,
    mountConfigMaps: (manifests) => mountConfigMaps(manifests, files.directory),
    startProxy: (container, volumes, env = {}) => {
      const own = environmentOf(container);
      const words = expand(container.args ?? [], own);
      return startProgram(mounted(words, container, volumes), { ...environment, ...own, ...env });
    },
    async [Symbol.asyncDispose]() {
      await entra[Symbol.asyncDispose]();
      await credentials[Symbol.asyncDispose]();
    },
  };
}

/** Runs the guide's SQL, where Azure's function is one that makes a role; gives the roles. */
async function runGuideSql({ server }: CredentialBench): Promise<string[]> {
  await server.postgres.admin(
    `create function pgaadauth_create_principal(name text, is_admin bool, is_mfa bool) returns text
       language plpgsql as $$ begin execute format('create role %I login', name); return name; end $$`,
  );
  const roles: string[] = [];
  for (const [database, sql] of guideSql()) {
    const [row = {}] = await server.postgres.admin(sql, database);
    if ('pgaadauth_create_principal' in row) roles.push(String(row['pgaadauth_create_principal']));
  }
  return roles;
}

async function mountConfigMaps(manifests: readonly Manifest[], parent: string): Promise<Volumes> {
  const [pod] = podTemplatesOf(manifests);
  const entries = (pod?.spec.volumes ?? []).map(async ({ name, configMap }): Promise<[string, string]> => {
    const directory = join(parent, `volume-${name}`);
    await mkdir(directory, { recursive: true });
    const map = manifests.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMap?.name,
    );
    for (const [file, content] of Object.entries(map?.data ?? {}))
      await writeFile(join(directory, file), content);
    return [name, directory];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** A container's words, with the paths of its volumes as they are here. */
function mounted(words: readonly string[], { volumeMounts = [] }: IContainer, volumes: Volumes): string[] {
  return words.map((word) => {
    const mount = volumeMounts.find(
      ({ name, mountPath }) => name in volumes && word.includes(`${mountPath}/`),
    );
    return mount === undefined ? word : word.replace(mount.mountPath, volumes[mount.name] ?? '');
  });
}

/** A container that is not the proxy, as a process. */
export interface AppRun extends AsyncDisposable {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: Promise<number | null>;
  /** What Kubernetes does to end it. */
  terminate(): void;
}

/** @param env - wins over the container's own. */
export function startApp(container: IContainer, volumes: Volumes, env: Environment): AppRun {
  const own = { ...environmentOf(container), ...env };
  const words = expand([...(container.command ?? []), ...(container.args ?? [])], own);
  const [program = '', ...args] = mounted(words, container, volumes);
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'], ...own },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  // As in a container, nothing outlives the first process.
  const endAll = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Nothing is left.
    }
  };
  child.once('exit', endAll);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return Object.assign(output, {
    exit,
    terminate: () => void child.kill('SIGTERM'),
    async [Symbol.asyncDispose]() {
      endAll();
      await exit;
    },
  });
}
