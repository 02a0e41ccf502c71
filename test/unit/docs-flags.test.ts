import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseArgsStringToArgv } from 'string-argv';
import { type Command, flagsOf } from '../../src/commands/manual/command.ts';
import { COMMANDS } from '../../src/commands/manual/commands.ts';
import { parseCommand } from '../../src/commands/parser.ts';
import { loadIdentities } from '../../src/config/identities.ts';
import { envName, loadConfig, type RawFlags } from '../../src/config/load.ts';
import { SETTING_NAMES } from '../../src/config/settings.ts';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { blocksOf, readPage, withoutBlocks } from '../support/guides.ts';
import { temporaryDirectory } from './tokens.ts';

const PAGES = globSync(['docs/**/*.md', '*.md']).map((path) => ({ path, text: readPage(path) }));

/** Flags of other programs that the pages name without the program, by whose they are. */
const FOREIGN: Readonly<Record<string, string>> = {
  airflow: 'conn-uri',
  az: 'active-directory-auth microsoft-entra-auth',
  'cloud-sql-proxy':
    'auto-iam-authn config-file credentials-file debug-logs exit-zero-on-sigterm gcloud-auth health-check ' +
    'http-address http-port impersonate-service-account login-token max max-connections max-sigterm-delay ' +
    'min-sigterm-delay private-ip prometheus quiet quitquitquit run-connection-test structured-logs ' +
    'telemetry-project token',
  "CockroachDB's options": 'crdb',
  docker: 'cap-drop network publish read-only tmpfs volume',
  helm: 'values',
  pg_dumpall: 'no-role-passwords',
  'the benchmark': 'markdown only proxy-entry quick rival rounds server-port share variant without',
};

const OWN = new Set(COMMANDS.flatMap((command) => flagsOf(command).map(({ name }) => name)));

/** What a span of code with our flags begins with; one that begins with any other word is another program's. */
const OURS = new RegExp(`^(?:-|pg-entra-proxy\\b|(?:${COMMANDS.map(({ name }) => name).join('|')})\\b)`);

/** Every flag that a page names in prose, without its dashes. */
function flagsIn(page: string): string[] {
  const prose = withoutBlocks(page).replaceAll(/`([^`]*)`/g, (_, span: string) =>
    OURS.test(span) ? span : '',
  );
  return [...prose.matchAll(/(?<![\w-])--([a-z]+(?:-[a-z0-9]+)*)/g)].map(([, name = '']) => name);
}

test('every flag that a page names in prose is one of the program, or of another that is known here', () => {
  const foreign = new Set(Object.values(FOREIGN).flatMap((names) => names.split(' ')));
  const named = PAGES.flatMap(({ path, text }) => flagsIn(text).map((flag) => ({ path, flag })));
  assert.ok(named.length > 300);
  for (const { path, flag } of named) assert.ok(OWN.has(flag) || foreign.has(flag), `${path}: --${flag}`);
});

test('every variable of the program that a page names is one', () => {
  const known = new Set(SETTING_NAMES.map(envName));
  const named = PAGES.flatMap(({ path, text }) =>
    [...text.matchAll(/\bPGEP_[A-Z][A-Z_]*/g)].map(([name]) => ({ path, name })),
  );
  assert.ok(named.length > 50);
  for (const { path, name } of named) assert.ok(known.has(name), `${path}: ${name}`);
});

interface CommandLine {
  readonly path: string;
  readonly line: string;
  readonly command: Command;
  readonly argv: readonly string[];
}

/** The program's command lines in a text: as far as a pipe, a file, the end of $(...), or a command behind --. */
function commandLinesIn(path: string, text: string): CommandLine[] {
  const joined = text
    .replaceAll(/\s*\\\n\s*/g, ' ')
    .replaceAll(/"\$\((?!pg-entra)[^)]*\)"|"?\$\w+"?/g, 'myserver');
  const lines = [
    ...joined.matchAll(/(?<=^|\$\(|&& |npx |^docker run .*)pg-entra-proxy .*?(?= -- |[)|>&;`]| #|$)/gm),
  ];
  // What is in brackets stands for something.
  return lines
    .filter(([line]) => !/[<[]/.test(line))
    .map(([line]) => {
      const [, ...words] = parseArgsStringToArgv(line);
      const named = COMMANDS.find(({ name, aliases = [] }) => [name, ...aliases].includes(words[0] ?? ''));
      const [run] = COMMANDS;
      assert.ok(run !== undefined);
      return { path, line, command: named ?? run, argv: named === undefined ? words : words.slice(1) };
    });
}

const COMMAND_LINES = PAGES.flatMap(({ path, text }) => [
  ...blocksOf(text)
    .filter(({ language }) => language === 'sh')
    .flatMap((block) => commandLinesIn(path, block.text)),
  ...[...withoutBlocks(text).matchAll(/`(pg-entra-proxy [^`]*)`/g)].flatMap(([, span = '']) =>
    commandLinesIn(path, span),
  ),
]);

const { certPem } = await createCertificateAuthority('documentation');

/** The settings of a command line, with files that are there in the place of those that it names. */
async function withFiles(flags: RawFlags, hasServer: boolean, directory: string): Promise<RawFlags> {
  const { ca, config } = flags;
  const files = { 'ca.pem': certPem, 'proxy.yaml': hasServer ? '' : 'server: myserver\n' };
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  return {
    ...flags,
    ...(ca === undefined || ca === 'system' || ca === 'bundled' ? {} : { ca: join(directory, 'ca.pem') }),
    ...(config === undefined ? {} : { config: join(directory, 'proxy.yaml') }),
  };
}

test('every command line in the pages is one that the program takes', async () => {
  assert.ok(COMMAND_LINES.length > 50);
  await using directory = await temporaryDirectory();
  for (const { path, line, command, argv } of COMMAND_LINES) {
    const { words, flags, wanted } = await parseCommand(command, argv);
    const options = Object.keys(command.options ?? {});
    const given = Object.fromEntries(Object.entries(flags).filter(([name]) => !options.includes(name)));
    // In a sentence, a command's name is enough.
    if (wanted !== undefined || argv.length === 0) continue;
    const servers = words[0] === 'run' ? words.slice(1) : words;
    const settings = await withFiles(given, servers.length > 0, directory.path);
    const where = `${path}: ${line}`;
    if (['run', 'check', 'exec', 'connect'].includes(command.name))
      assert.doesNotThrow(() => loadConfig(servers, settings, {}, options), where);
    else if (command.name === 'token')
      assert.doesNotThrow(() => loadIdentities(servers, settings, {}), where);
    else {
      const known = flagsOf(command).map(({ name }) => name);
      assert.deepEqual(
        Object.keys(given).filter((name) => !known.includes(name)),
        [],
        where,
      );
    }
  }
});
