import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type Config, loadConfig, type RawFlags, type ServerConfig } from '../../../src/config/load.ts';
import { UsageError } from '../../../src/errors.ts';
import { temporaryDirectory } from '../tokens.ts';

/*
 * Whatever is written, and wherever: a configuration that is accepted protects as it says. What that is, is
 * worked out here anew, from what was written, so that a setting which gets lost on the way is seen.
 */

/** A word as it stands in a file. */
interface Word {
  readonly text: string;
  readonly quote: '' | "'" | '"';
}

type Written = Word | readonly Word[];

const SWITCHES = ['same-user', 'refuse-replication', 'allow-remote-clients'] as const;
const LISTS = ['allow-users', 'allow-databases'] as const;
const TEXTS = ['local-users-file', 'local-tls-cert', 'local-tls-key', 'unix-socket'] as const;
const CHOICES = ['local-auth', 'address'] as const;

type Name = (typeof SWITCHES | typeof LISTS | typeof TEXTS | typeof CHOICES)[number];
type Said = ReadonlyMap<Name, Written>;

/** What something means that must not be accepted. */
const REFUSED = Symbol('refused');

const METHODS = ['none', 'password', 'scram-sha-256'];
const LOOPBACKS = ['127.0.0.1', '127.9.9.9', 'localhost', '::1', '::ffff:127.0.0.1'];
const REMOTE = ['0.0.0.0', '::', '10.0.0.5', '::ffff:10.0.0.5', 'fe80::1'];
const ON = ['true', '1', 'yes', 'on'];
const OFF = ['false', '0', 'no', 'off'];

/** Words that are fine for a setting. */
const GOOD: Readonly<Record<Name, readonly string[]>> = {
  ...record(SWITCHES, [...ON, ...OFF]),
  ...record(LISTS, ['app', 'batch', '007', '1e3', '0x10', '.inf', '__proto__']),
  ...record(TEXTS, ['/a/file', '007']),
  'local-auth': ['none', 'password', 'scram-sha-256', 'scram-sha-256'],
  address: [...LOOPBACKS, '0.0.0.0', '10.0.0.5'],
};

/** Words that are not, or depending on how they are written, or on what else there is. */
const DOUBTFUL: Readonly<Record<Name, readonly string[]>> = {
  ...record(SWITCHES, ['True', 'maybe', '', 'null', '0x1', '01']),
  ...record(LISTS, ['null', 'true', '', ' app', 'a,b', 'a,,b']),
  ...record(TEXTS, ['', '~']),
  'local-auth': ['SCRAM-SHA-256', 'scram\u2010sha-256', '', 'null', 'true', '0'],
  address: [...REMOTE, 'lo', '', 'null'],
};

/** What means nothing: look-alikes, names of JavaScript's own, and other cases. */
const ODD_KEYS = [
  'local_auth',
  'Local-Auth',
  'local\u2010auth',
  'l\u043ecal-auth',
  'same-user ',
  'allow-user',
];
const ODD_LINES = [
  ...ODD_KEYS.map((key) => `"${key}": scram-sha-256`),
  '__proto__: { local-auth: scram-sha-256, same-user: true }',
  'constructor: { local-auth: scram-sha-256 }',
  '? [same-user]\n: true',
  'database: one\n"database": two',
  'database: !!set { a }',
  'database: one\n---\nsame-user: true',
  'database: one\n...\nsame-user: true',
  'client-users: { __proto__: { pass-through: "true", user: x } }',
];

function record<K extends string, T>(keys: readonly K[], value: T): Record<K, T> {
  return Object.fromEntries(keys.map((key) => [key, value])) as Record<K, T>;
}

function includes(names: readonly string[], name: string): boolean {
  return names.includes(name);
}

/** What a word of a file is, once it has been read: null if it is no text. */
function readWord({ text, quote }: Word): { readonly text: string; readonly isBoolean: boolean } | null {
  if (quote !== '') return { text, isBoolean: false };
  if (['', '~', 'null'].includes(text)) return null;
  const isBoolean = ['true', 'True', 'false'].includes(text);
  return { text: isBoolean ? text.toLowerCase() : text, isBoolean };
}

/** What a setting must come to; REFUSED if it cannot be that. */
function meaning(name: Name, written: Written): unknown {
  const words = [written].flat().map(readWord);
  if (words.some((word) => word === null)) return REFUSED;
  const texts = words.map((word) => word?.text ?? '');
  const [text = ''] = texts;
  if (includes(LISTS, name)) {
    if (words.some((word) => word?.isBoolean)) return REFUSED;
    if (Array.isArray(written)) {
      return texts.some((one) => one === '' || /,|^\s|\s$/.test(one)) ? REFUSED : texts;
    }
    const names = text.split(',').map((one) => one.trim());
    return names.includes('') ? REFUSED : names;
  }
  if (Array.isArray(written)) return REFUSED;
  if (includes(SWITCHES, name)) return ON.includes(text) || (OFF.includes(text) ? false : REFUSED);
  if (name === 'local-auth') return METHODS.includes(text) ? text : REFUSED;
  if (name === 'address') return [...LOOPBACKS, ...REMOTE].includes(text) ? text : REFUSED;
  return text === '' ? REFUSED : text;
}

function toYaml(written: Written): string {
  // Nothing at all, behind the last comma of a list, is no item of it.
  const one = ({ text, quote }: Word): string => `${quote}${text}${quote}` || '~';
  return 'text' in written ? one(written) : `[${written.map(one).join(', ')}]`;
}

/** As a flag, a variable or a query has it: without quotes, and lists with commas. */
function plain(said: Said): [Name, string][] {
  return [...said].map(([name, written]) => [
    name,
    [written]
      .flat()
      .map(({ text }) => text)
      .join(','),
  ]);
}

/** The same, as what it is then. */
function unquoted(said: Said): Said {
  return new Map(plain(said).map(([name, text]) => [name, { text, quote: "'" }]));
}

interface Case {
  readonly query: Said;
  readonly flags: Said;
  readonly env: Said;
  readonly top: Said;
  readonly servers: readonly Said[];
  /** Whether the second server has the first one's settings by a merge key. */
  readonly merges: boolean;
  readonly users: ReadonlyMap<string, boolean>;
  readonly isOld: boolean;
  readonly odd: string | null;
}

function saidOf(names: readonly Name[], maxLength: number): fc.Arbitrary<Said> {
  const quote = fc.constantFrom('' as const, "'" as const, '"' as const);
  const entry = fc.constantFrom(...names).chain((name) => {
    const text = fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(...GOOD[name]) },
      { weight: 1, arbitrary: fc.constantFrom(...DOUBTFUL[name]) },
    );
    const word = fc.record({ text, quote }).map((one): Word => {
      const trimmed = one.quote === '' ? one.text.trim() : one.text;
      // What means something else without quotes, and is not what this is about.
      return one.quote === '' && /,|^::|::$/.test(trimmed)
        ? { text: trimmed, quote: "'" }
        : { ...one, text: trimmed };
    });
    const written: fc.Arbitrary<Written> = includes(LISTS, name)
      ? fc.oneof(word, fc.array(word, { minLength: 1, maxLength: 3 }))
      : word;
    return written.map((value) => [name, value] as const);
  });
  return fc
    .tuple(fc.array(entry, { maxLength }), fc.boolean())
    .map(([entries, isHelped]) => (isHelped ? helped(new Map(entries)) : new Map(entries)));
}

/** With what it needs to be accepted, since few would be otherwise. */
function helped(said: Map<Name, Written>): Said {
  const word = (text: string): Word => ({ text, quote: '' });
  const is = (name: Name, texts: readonly string[]): boolean =>
    [said.get(name) ?? []].flat().some(({ text }) => texts.includes(text));
  said.delete('allow-remote-clients');
  if (is('address', REMOTE)) {
    said
      .set('allow-remote-clients', word('true'))
      .set('local-auth', word('scram-sha-256'))
      .delete('same-user');
  }
  if (said.has('unix-socket')) said.delete('same-user');
  said.delete('local-users-file');
  if (is('local-auth', ['password', 'scram-sha-256'])) said.set('local-users-file', word('/a/file'));
  if (said.has('local-tls-cert')) said.set('local-tls-key', word('/a/file'));
  else said.delete('local-tls-key');
  return said;
}

const ALL: readonly Name[] = [...SWITCHES, ...LISTS, ...TEXTS, ...CHOICES];
const said = fc.oneof({ weight: 4, arbitrary: fc.constant<Said>(new Map()) }, saidOf(ALL, 3));
const cases: fc.Arbitrary<Case> = fc.record({
  query: said,
  flags: said,
  env: said,
  top: saidOf(ALL, 3),
  servers: fc.array(said, { maxLength: 2 }),
  merges: fc.boolean(),
  users: fc
    .array(fc.tuple(fc.constantFrom('legacy', '007', 'toString', 'null'), fc.boolean()), { maxLength: 2 })
    .map((entries) => new Map(entries)),
  isOld: fc.boolean(),
  odd: fc.option(fc.constantFrom(...ODD_LINES), { freq: 8 }),
});

function fileOf({ top, servers, merges, users, isOld, odd }: Case): string {
  const lines = (settings: Said, indent: string): string[] =>
    [...settings].map(([name, written]) => `${indent}${name}: ${toYaml(written)}`);
  const people = [...users].map(
    ([name, passes]) => `  ${name}: { ${passes ? 'pass-through: true' : 'user: x'} }`,
  );
  const entries = servers.flatMap((settings, index) => [
    `  - ${index === 0 ? '&first' : ''}`,
    ...(index > 0 && merges ? ['    <<: *first'] : []),
    `    server: server${index}`,
    ...lines(settings, '    '),
  ]);
  return [
    ...(isOld ? ['%YAML 1.1', '---'] : []),
    ...lines(top, ''),
    ...(people.length === 0 ? [] : ['client-users:', ...people]),
    ...(entries.length === 0 ? [] : ['servers:', ...entries]),
    ...(odd === null ? [] : [odd]),
    '',
  ].join('\n');
}

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
before(async () => {
  directory = await temporaryDirectory();
});
after(() => directory[Symbol.asyncDispose]());

function load(one: Case): Config | undefined {
  const config = join(directory.path, 'proxy.yaml');
  writeFileSync(config, fileOf(one));
  const query = plain(one.query).map(([name, text]) => `${name}=${encodeURIComponent(text)}`);
  const argv = one.servers.length === 0 ? [`server0?${query.join('&')}`] : [];
  const flags: RawFlags = { config, ...Object.fromEntries(plain(one.flags)) };
  const env = plain(one.env).map(([name, text]) => [`PGEP_${name.toUpperCase().replaceAll('-', '_')}`, text]);
  try {
    return loadConfig(argv, flags, Object.fromEntries(env) as NodeJS.ProcessEnv);
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return undefined;
  }
}

/** What is said of each server, the strongest first. */
function layersOf({ query, flags, env, top, servers, merges }: Case): Said[][] {
  const shared = [unquoted(flags), unquoted(env)];
  if (servers.length === 0) return [[unquoted(query), ...shared, top]];
  return servers.map((own, index) => {
    const merged = index > 0 && merges ? servers.slice(0, 1) : [];
    return [...shared, own, ...merged, top];
  });
}

function assertAsWritten(server: ServerConfig, layers: readonly Said[], users: Case['users']): void {
  const wanted = (name: Name): unknown => {
    const written = layers.find((layer) => layer.has(name))?.get(name);
    return written === undefined ? undefined : meaning(name, written);
  };
  const { settings } = server;
  for (const name of ALL) {
    const want = wanted(name);
    if (want !== undefined) assert.deepEqual(settings[name], want, name);
  }
  const listens = wanted('unix-socket') === undefined || wanted('address') !== undefined;
  if (listens && REMOTE.includes(settings.address)) {
    assert.equal(wanted('allow-remote-clients'), true, 'others may come, unwanted');
    assert.notEqual(
      wanted('local-auth') ?? 'none',
      'none',
      'others may come, and are not asked who they are',
    );
  }
  if ((wanted('local-auth') ?? 'none') !== 'none') assert.ok(settings['local-users-file']);
  for (const [name, passes] of users)
    assert.equal(server.clientUsers.get(name)?.kind, passes ? 'passThrough' : 'identity');
}

test('a configuration that is accepted protects as it is written, wherever that stands', () => {
  let accepted = 0;
  fc.assert(
    fc.property(cases, (one) => {
      const config = load(one);
      if (config === undefined) return;
      accepted += 1;
      assert.equal(one.odd, null, 'what says nothing was accepted');
      const layers = layersOf(one);
      assert.equal(config.servers.length, layers.length);
      for (const [index, server] of config.servers.entries()) {
        assertAsWritten(server, layers[index] ?? [], one.users);
      }
    }),
    { numRuns: 2_000 },
  );
  assert.ok(accepted > 80, `only ${accepted} were accepted`);
});

test('flags, variables and queries that are none are told', () => {
  for (const key of [...ODD_KEYS, '__proto__', 'constructor', 'toString']) {
    const query = `server0?${encodeURIComponent(key)}=scram-sha-256`;
    assert.throws(() => loadConfig([query], {}, {}), UsageError, key);
    const flags = Object.fromEntries([[key, 'scram-sha-256']]);
    assert.throws(() => loadConfig(['server0'], flags, {}), UsageError, key);
    const { warnings } = loadConfig(['server0'], {}, { [`PGEP_${key.toUpperCase()}X`]: 'scram-sha-256' });
    assert.equal(warnings.length, 1, key);
  }
});

test('a switch of a query that has no value is told, and not off', () => {
  for (const query of ['same-user', 'same-user=', 'refuse-replication&same-user=true']) {
    assert.throws(() => loadConfig([`server0?${query}`], {}, {}), /takes true or false, not ""/);
  }
});

test('a flag that has been turned off is no name in its own list', () => {
  // As a parser of command lines gives --allow-users app --no-allow-users.
  assert.throws(() => loadConfig(['server0'], { 'allow-users': ['app', false] }, {}), UsageError);
});

test('numbers are names as they are written, also where an alias or a merge key takes them', () => {
  const path = join(directory.path, 'numbers.yaml');
  const first = '&first { server: server0, allow-users: [&number 007, *number], user: *number }';
  writeFileSync(path, `servers:\n  - ${first}\n  - { <<: *first, server: server1 }\n`);
  for (const { settings } of loadConfig([], { config: path }, {}).servers) {
    assert.deepEqual(settings['allow-users'], ['007', '007']);
    assert.equal(settings.user, '007');
  }
});

test('a file that is no map of settings is refused, also with the server on the command line', () => {
  const path = join(directory.path, 'odd.yaml');
  for (const yaml of [
    '!!omap\n- local-auth: scram-sha-256\n',
    '!!set { same-user }\n',
    '!!binary aGVsbG8=\n',
    '- local-auth: scram-sha-256\n',
    '%YAML 1.1\n---\n!!timestamp 2001-01-01\n',
  ]) {
    writeFileSync(path, yaml);
    assert.throws(() => loadConfig(['server0'], { config: path }, {}), UsageError, yaml);
  }
});
