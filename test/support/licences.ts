import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A package that the program brings along. */
export interface ThirdParty {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, as its author has it. */
  readonly licence: string;
  /** What its licence files say; empty if it has none. */
  readonly text: string;
}

/** Those that ask for no more than to be named. */
const PERMISSIVE: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
]);

/** What the lock file says of a package. */
export interface LockedPackage {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly hasInstallScript?: boolean;
}

/** All packages that `npm ci --omit=dev` installs, by their path, in the order of their names. */
export function productionPackages(): [string, LockedPackage][] {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  return Object.entries(packages).filter(
    ([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true,
  );
}

/** With their licences; they must be installed. */
export function thirdParties(): ThirdParty[] {
  return productionPackages().map(([path, { version, license = 'none' }]) => ({
    name: path.replace(/^.*node_modules\//, ''),
    version,
    licence: license,
    text: licenceText(path),
  }));
}

/** Whether one of the alternatives of an SPDX expression is permissive in all of its parts. */
export function isPermissive(expression: string): boolean {
  const alternatives = expression.replaceAll(/[()]/g, '').split(' OR ');
  return alternatives.some((one) => one.split(' AND ').every((licence) => PERMISSIVE.has(licence)));
}

function licenceText(path: string): string {
  if (!existsSync(path)) return '';
  const names = readdirSync(path).filter((name) => /^(?:licen[cs]e|copying|notice)/i.test(name));
  return names.map((name) => readFileSync(join(path, name), 'utf8').trim()).join('\n\n');
}
