import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { TestFiles } from './files.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** What is not for a copy of the tree; npm builds and packs in one, so that nothing here is touched. */
const LEFT_OUT = /^(?:node_modules|dist|\.git)$/;

/** What npm says where there is no registry to be had. */
const NO_REGISTRY = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|ENOTCACHED/;

/** The Node.js that packages are tried with: PROGRAM_NODE, a path, or else the one of the tests. */
const NODE = process.env['PROGRAM_NODE'] ?? process.execPath;

/** The npm package, as it is published. */
export interface Package {
  readonly tarball: string;
  /** The paths in it. */
  readonly files: readonly string[];
}

/** Builds and packs what is in the working tree. */
export async function pack(files: TestFiles): Promise<Package> {
  const copy = join(files.directory, 'copy');
  await cp(ROOT, copy, { recursive: true, filter: (path) => !LEFT_OUT.test(relative(ROOT, path)) });
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'), 'junction');
  await npm(copy, 'run', 'build');
  const output = await npm(copy, 'pack', '--json', '--ignore-scripts', '--pack-destination', files.directory);
  const [packed] = JSON.parse(output) as { filename: string; files: { path: string }[] }[];
  if (packed === undefined) throw new Error('npm has packed nothing');
  return { tarball: join(files.directory, packed.filename), files: packed.files.map(({ path }) => path) };
}

/**
 * Installs the package into an empty directory.
 *
 * @returns what runs it there; undefined where there is no registry to be had.
 */
export async function install(
  files: TestFiles,
  { tarball }: Package,
): Promise<readonly string[] | undefined> {
  const directory = join(files.directory, 'empty');
  await mkdir(directory);
  await writeFile(join(directory, 'package.json'), '{ "private": true }');
  try {
    await npm(
      directory,
      'install',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      tarball,
    );
  } catch (error) {
    if (NO_REGISTRY.test(String((error as { stderr?: string }).stderr))) return undefined;
    throw error;
  }
  if (process.platform === 'win32')
    return [NODE, join(directory, 'node_modules/pg-entra-proxy/dist/main.js')];
  return ['env', `PATH=${dirname(NODE)}:/usr/bin:/bin`, join(directory, 'node_modules/.bin/pg-entra-proxy')];
}

export async function readManifest(): Promise<{
  readonly version: string;
  readonly engines: { readonly node: string };
}> {
  return JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Awaited<
    ReturnType<typeof readManifest>
  >;
}

/** Runs npm; rejects, with what it wrote, if it fails. */
export async function npm(cwd: string, ...args: readonly string[]): Promise<string> {
  const options = { cwd, maxBuffer: 100_000_000, shell: process.platform === 'win32' };
  const { stdout } = await promisify(execFile)('npm', [...args], options);
  return stdout;
}
