/**
 * Prints the list of all that the program brings along, as CycloneDX has it. npm makes it, of a copy without
 * development dependencies: told to leave them out, it leaves out as well whatever they share with the program.
 *
 * @see https://cyclonedx.org/docs/1.5/json/
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { productionPackages } from './licences.ts';

type Manifest = Record<string, unknown> & { readonly name: string };
type Lock = Record<string, unknown> & { readonly packages: { readonly '': Manifest } };

const scratch = mkdtempSync(join(tmpdir(), 'pg-entra-sbom-'));
try {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock;
  const root = { ...lock.packages[''], devDependencies: {} };
  const packages = { '': root, ...Object.fromEntries(productionPackages()) };
  // npm names what it lists after its directory.
  const directory = join(scratch, manifest.name);
  mkdirSync(directory);
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ ...manifest, devDependencies: {} }));
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify({ ...lock, packages }));
  const args = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx'];
  const shell = process.platform === 'win32';
  execFileSync('npm', args, { cwd: directory, shell, stdio: ['ignore', 'inherit', 'inherit'] });
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
