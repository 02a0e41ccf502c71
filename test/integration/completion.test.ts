import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { fishCompletion } from '../../src/commands/completion/fish.ts';
import { zshCompletion } from '../../src/commands/completion/zsh.ts';
import { type Command, flagsOf } from '../../src/commands/manual/command.ts';
import { COMMANDS } from '../../src/commands/manual/commands.ts';
import { missing } from '../support/clients.ts';
import { createTestFiles, type TestFiles } from '../support/files.ts';
import { runProgram } from '../support/program.ts';
import { NO_TERMINAL, Terminal } from '../support/shells.ts';

let files: TestFiles;

before(async () => {
  files = await createTestFiles();
  await Promise.all(['bash', 'zsh', 'fish'].map(writeScript));
  await mkdir(join(files.directory, 'conf'));
  await files.write('conf/my proxy.yaml', '');
  await files.write('conf/root.pem', '');
});
after(() => files[Symbol.asyncDispose]());

async function writeScript(shell: string): Promise<void> {
  const { code, stdout, stderr } = await runProgram(['completion', shell]);
  assert.deepEqual([code, stderr], [0, ''], shell);
  await files.write(`completion.${shell}`, stdout);
}

/** Lines as they are typed, `~` for Tab, and the arguments that the program gets then. */
const TYPED: readonly (readonly [line: string, args: readonly string[]])[] = [
  ['pg-entra-proxy shut~', ['shutdown']],
  ['pg-entra-proxy doct~--js~', ['doctor', '--json']],
  ['pg-entra-proxy --log-level deb~', ['--log-level', 'debug']],
  ['pg-entra-proxy --log-level=deb~', ['--log-level=debug']],
  ['pg-entra-proxy server --same~', ['server', '--same-user']],
  ['pg-entra-proxy --same-user --fail~', ['--same-user', '--fail-fast']],
  ['pg-entra-proxy run --credential managed~', ['run', '--credential', 'managed-identity']],
  ['pg-entra-proxy --ca sys~', ['--ca', 'system']],
  ['pg-entra-proxy --ca conf/ro~', ['--ca', 'conf/root.pem']],
  ['pg-entra-proxy --config conf/my~', ['--config', 'conf/my proxy.yaml']],
  ['pg-entra-proxy --config=conf/my~', ['--config=conf/my proxy.yaml']],
  [
    'pg-entra-proxy exec server --url-e~X -- basenam~',
    ['exec', 'server', '--url-env', 'X', '--', 'basename'],
  ],
  // Behind --, flags are those of the command there.
  ['pg-entra-proxy exec server -- true --url-e~', ['exec', 'server', '--', 'true', '--url-e']],
  // Flags and words of other commands are none here.
  ['pg-entra-proxy wait --same~', ['wait', '--same']],
  ['pg-entra-proxy server --url-e~', ['server', '--url-e']],
  ['pg-entra-proxy completion fi~', ['completion', 'fish']],
  ['pg-entra-proxy server fi~', ['server', 'fi']],
  ['pg-entra-proxy --user sys~', ['--user', 'sys']],
];

/** What shells are told first: what Tab does, and a stand-in for the program that shows its arguments. */
const STAND_IN = `pg-entra-proxy() { printf '{'; printf '<%s>' "$@"; echo '}'; }`;

/** Types the lines into a shell, and looks what comes of each. */
async function typeInto(command: string, env: Readonly<Record<string, string>>): Promise<void> {
  await using terminal = new Terminal(`cd '${files.directory}' && exec ${command}`, env);
  await terminal.shows(/READY>/);
  for (const [index, [line, args]] of TYPED.entries()) {
    terminal.type(`${line.replaceAll('~', '\t')}\r`);
    const shown = await terminal.shows(/^\{<.*>\}/, index + 1);
    // zsh joins a flag with its value, which is the same.
    const said = shown.slice(2, -2).replace(/^--url-env=|><--url-env=/, (start) => start.replace('=', '><'));
    assert.equal(said, args.join('><'), line);
  }
}

test('bash completes commands, flags, values, files and commands behind --', {
  skip: missing('bash') || NO_TERMINAL,
}, async () => {
  const settings = ['bell-style none', 'show-all-if-ambiguous on', 'enable-bracketed-paste off'];
  const rc = [...settings.map((one) => `bind 'set ${one}'`), `PS1='READY> '`, STAND_IN];
  rc.push(`source '${join(files.directory, 'completion.bash')}'`);
  const path = await files.write('bashrc', `${rc.join('\n')}\n`);
  await typeInto(`bash --noprofile --rcfile '${path}' -i`, {});
});

for (const how of ['sourced', 'in a directory of fpath'] as const) {
  test(`zsh completes commands, flags, values, files and commands behind --; the script ${how}`, {
    skip: missing('zsh') || NO_TERMINAL,
  }, async () => {
    const script = join(files.directory, 'completion.zsh');
    const load =
      how === 'sourced' ? ['$COMPINIT', `source '${script}'`] : [`fpath=($ZDOTDIR $fpath)`, '$COMPINIT'];
    const home = join(files.directory, how);
    await mkdir(home);
    const rc = ['setopt no_beep', ...load, `PS1='READY> '`, STAND_IN].join('\n');
    await files.write(
      `${how}/.zshrc`,
      `${rc.replace('$COMPINIT', 'autoload -Uz compinit; compinit -u -D')}\n`,
    );
    const { stdout } = await runProgram(['completion', 'zsh']);
    await files.write(`${how}/_pg-entra-proxy`, stdout);
    await typeInto('zsh -d -i', { ZDOTDIR: home });
  });
}

/** What fish offers for the last word of each line, without what is said of it. */
async function fishOffers(lines: readonly string[]): Promise<string[][]> {
  const asked = lines.map((line) => `echo LINE; complete -C '${line}'`);
  const commands = [`source '${join(files.directory, 'completion.fish')}'`, ...asked].join('; ');
  const { stdout } = await promisify(execFile)('fish', ['--no-config', '-c', commands], {
    cwd: files.directory,
    env: { PATH: process.env['PATH'] ?? '', HOME: files.directory, LC_ALL: 'C.UTF-8' },
  });
  const offers = stdout.split('LINE\n').slice(1);
  return offers.map((text) => text.split('\n').flatMap((line) => line.split('\t')[0] || []));
}

test('fish completes commands, flags, values, files and commands behind --', {
  skip: missing('fish'),
}, async () => {
  // Of each line as far as its last Tab, the word that is typed.
  const lines = TYPED.map(([line]) => line.slice(0, line.lastIndexOf('~')).replaceAll('~', ''));
  const offers = await fishOffers(lines.map((line) => line.replace('doct--js', 'doctor --js')));
  for (const [index, [line, args]] of TYPED.entries()) {
    const typed = lines[index]?.split(' ').at(-1) ?? '';
    const wanted = args.at(-1) ?? '';
    assert.deepEqual(offers[index], typed === wanted ? [] : [wanted], line);
  }
});

/** All names by which a command goes, and what it takes. */
const NAMED: readonly (readonly [name: string, command: Command])[] = COMMANDS.flatMap((command) =>
  [command.name, ...(command.aliases ?? [])].map((name) => [name, command] as const),
);

function flagNames(command: Command): string[] {
  return flagsOf(command)
    .map(({ name }) => `--${name}`)
    .toSorted();
}

test('bash offers every flag of every command, and no other', { skip: missing('bash') }, async () => {
  const script = join(files.directory, 'completion.bash');
  const ask = `source "$0"; COMP_WORDS=(pg-entra-proxy "$1" --) COMP_CWORD=2; _pg_entra_proxy; echo "\${COMPREPLY[@]}"`;
  for (const [name, command] of NAMED) {
    const { stdout } = await promisify(execFile)('bash', ['-c', ask, script, name]);
    assert.deepEqual(stdout.trim().split(' ').toSorted(), flagNames(command), name);
  }
});

test('bash completes a value of which nothing is typed yet', { skip: missing('bash') }, async () => {
  const script = join(files.directory, 'completion.bash');
  for (const words of ['--tls-min =', '--tls-min ""', '--tls-min = 1.']) {
    const ask = `source "$0"; COMP_WORDS=(pg-entra-proxy ${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _pg_entra_proxy; echo "\${COMPREPLY[@]}"`;
    const { stdout } = await promisify(execFile)('bash', ['-c', ask, script]);
    assert.equal(stdout, '1.2 1.3\n', words);
  }
});

test('fish offers every flag of every command, and no other', { skip: missing('fish') }, async () => {
  const offers = await fishOffers(NAMED.map(([name]) => `pg-entra-proxy ${name} --`));
  for (const [index, [name, command]] of NAMED.entries())
    assert.deepEqual(offers[index]?.toSorted(), flagNames(command), name);
});

test('zsh is told every flag of every command', { skip: missing('zsh') }, async () => {
  // In the place of _arguments, what it was to be asked.
  const ask = `compdef() { :; }; _arguments() { print -l -- $@[2,-1]; }; source "$0"; words=(pg-entra-proxy $1 --) CURRENT=3; _pg-entra-proxy`;
  for (const [name, command] of NAMED) {
    const args = ['-f', '-c', ask, join(files.directory, 'completion.zsh'), name];
    const { stdout } = await promisify(execFile)('zsh', args);
    const names = [...stdout.matchAll(/^\*?(--[a-z0-9-]+)/gm)].map(([, flag = '']) => flag);
    assert.deepEqual(names.toSorted(), flagNames(command), name);
  }
});

/** What the shells and their completion have a meaning for. */
const ODD_TEXT = `it's [odd]: "x" \\ $HOME \`id\` (a|b) *; & # %`;

const ODD: Command = {
  name: 'run',
  synopsis: ['run'],
  summary: ODD_TEXT,
  description: [],
  takes: () => false,
  options: { odd: { help: ODD_TEXT, value: 'X:Y' } },
  examples: [],
};

test('zsh takes any text for what is said of a flag', { skip: missing('zsh') || NO_TERMINAL }, async () => {
  const home = join(files.directory, 'odd');
  await mkdir(home);
  await files.write('odd/completion.zsh', zshCompletion([ODD]));
  const load = 'autoload -Uz compinit; compinit -u -D; source $ZDOTDIR/completion.zsh';
  await files.write('odd/.zshrc', `${load}\nPS1='READY> '\n${STAND_IN}\n`);
  await using terminal = new Terminal('exec zsh -d -i', { ZDOTDIR: home });
  await terminal.shows(/READY>/);
  terminal.type('pg-entra-proxy server --od\tvalue\r');
  assert.equal(await terminal.shows(/^\{<.*>\}/), '{<server><--odd=value>}');
  terminal.type('pg-entra-proxy --\t');
  await terminal.shows(/it's \[odd\]: "x"/);
});

test('fish takes any text for what is said of a flag', { skip: missing('fish') }, async () => {
  const script = await files.write('odd.fish', fishCompletion([ODD]));
  const ask = `source '${script}'; complete -C 'pg-entra-proxy --od'; complete -C 'pg-entra-proxy ru'`;
  const { stdout } = await promisify(execFile)('fish', ['--no-config', '-c', ask]);
  assert.equal(stdout, `--odd\t${ODD_TEXT}\nrun\t${ODD_TEXT}\n`);
});

test('the script for bash has nothing that shellcheck would change', {
  skip: missing('shellcheck'),
}, async () => {
  const { stdout } = await promisify(execFile)('shellcheck', [join(files.directory, 'completion.bash')]);
  assert.equal(stdout, '');
});

test('completion asks for a shell that it knows', async () => {
  const none = await runProgram(['completion']);
  assert.deepEqual([none.code, none.stdout], [2, '']);
  assert.match(
    none.stderr,
    /completion needs the name of a shell: pg-entra-proxy completion bash\|zsh\|fish/,
  );
  const other = await runProgram(['completion', 'bsh', '--port', '1']);
  assert.equal(other.code, 2);
  assert.match(other.stderr, /takes one of bash, zsh, fish, not "bsh"; did you mean "bash"\?/);
  assert.match(other.stderr, /completion does not take --port/);
});
