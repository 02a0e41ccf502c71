import { spawn } from 'node:child_process';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { superviseChild } from '../src/demo/child-process.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * Compiles this checkout as `npm run build` does, into a directory of its own beside which the package's
 * other files stand as a user has them.
 *
 * @returns the path of main.js.
 */
export async function buildProxy(directory: string): Promise<string> {
  const dist = join(directory, 'package', 'dist');
  await mkdir(dist, { recursive: true });
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', dist];
  const child = superviseChild(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  const { code, reason } = await child.closed;
  if (code !== 0) throw new Error(`the proxy does not compile (${reason}):\n${child.output()}`);
  await cp(join(ROOT, 'src', 'admin', 'page'), join(dist, 'admin', 'page'), { recursive: true });
  for (const name of ['package.json', 'certs', 'node_modules'])
    await symlink(join(ROOT, name), join(directory, 'package', name));
  return join(dist, 'main.js');
}
