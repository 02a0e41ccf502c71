import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Substitutions } from './script.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const DEPLOY = fileURLToPath(new URL('../../../deploy', import.meta.url));

/** Real programs that commands may use. There are no others on their PATH, but for those of bin. */
const PROGRAMS = 'psql openssl curl cat chmod cp dirname env grep install mkdir rm sed sleep touch'.split(
  ' ',
);

/** What stands in front of all commands: stand-ins that are functions of the shell. */
export function readPrelude(): string {
  return readFileSync(join(HERE, 'prelude.bash'), 'utf8');
}

/** Makes the machine that commands see, in a directory: `bin`, `etc`, and `home`, where they run. */
export function prepareMachine(directory: string): void {
  const bin = join(directory, 'bin');
  const home = join(directory, 'home');
  mkdirSync(bin);
  mkdirSync(home);
  symlinkSync(DEPLOY, join(home, 'deploy'));
  mkdirSync(join(directory, 'etc/systemd/system'), { recursive: true });
  for (const name of readdirSync(join(HERE, 'bin'))) {
    copyFileSync(join(HERE, 'bin', name), join(bin, name));
    chmodSync(join(bin, name), 0o755);
  }
  for (const name of PROGRAMS) symlinkSync(findProgram(name), join(bin, name));
}

function findProgram(name: string): string {
  const paths = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name));
  const path = paths.find((one) => existsSync(one));
  if (path === undefined) throw new Error(`there is no ${name} on PATH`);
  return path;
}

/**
 * What stands for something else than on the reader's machine: ports that may be taken, a directory that is
 * the machine's, addresses that other machines can reach, and a name that they know.
 */
export function substitutions(directory: string, port: number): Substitutions {
  return [
    [/\b6432\b/g, String(port)],
    [/\b6433\b/g, String(port + 1)],
    [/\b6500\b/g, String(port + 2)],
    [/\b9090\b/g, String(port + 3)],
    [/(?<![\w/])\/etc\//g, `${directory}/etc/`],
    [/\b0\.0\.0\.0\b/g, '127.0.0.1'],
    [/^allow-remote-clients: true/gm, 'allow-remote-clients: false'],
    [/\bproxy\.internal\b/g, 'localhost'],
  ];
}
