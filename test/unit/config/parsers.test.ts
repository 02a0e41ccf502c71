import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  parseAddress,
  parseChoice,
  parseDuration,
  parseHost,
  parseHttpsUrl,
  parseInteger,
  parseList,
  parseServer,
  parseText,
  parseTimeout,
} from '../../../src/config/parsers.ts';
import { isLoopback } from '../../../src/loopback.ts';

const SUFFIX = '.postgres.database.azure.com';

/** Every text is refused, and quoted in the refusal. */
function refuses(parse: (text: string) => unknown, texts: readonly string[]): void {
  for (const text of texts) {
    assert.throws(
      () => parse(text),
      (error: Error) => error.message.includes(`"${text}"`),
      `"${text}" was taken`,
    );
  }
}

test('durations are read in all their units', () => {
  const durations: [string, number][] = [
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1.5s', 1_500],
    ['0', 0],
    ['0s', 0],
    ['2147483647ms', 2_147_483_647],
  ];
  for (const [text, milliseconds] of durations) assert.equal(parseDuration(text), milliseconds, text);
});

test('what is no duration, or more than a timer can wait for, is refused', () => {
  const strange = [
    '',
    '30',
    '30 s',
    ' 30s',
    '-1s',
    '1d',
    '1.s',
    '.5s',
    's',
    '1e3s',
    '0x1s',
    '1S',
    'Infinity',
    '١s',
  ];
  refuses(parseDuration, strange);
  refuses(parseDuration, ['2147483648ms', '597h', `${'9'.repeat(400)}h`]);
});

test('a timeout needs a duration above 0', () => {
  assert.equal(parseTimeout('1ms'), 1);
  for (const text of ['0', '0s', '0.5ms']) assert.throws(() => parseTimeout(text), /above 0/);
});

test('whole numbers are taken within their bounds, and nothing that only looks like one', () => {
  const parsePort = parseInteger(0, 65_535);
  assert.deepEqual(['0', '6432', '65535', '007'].map(parsePort), [0, 6432, 65_535, 7]);
  refuses(parsePort, ['', '-1', '65536', '1.5', '1e3', '0x10', ' 1', '1 ', '9'.repeat(16), 'NaN']);
  refuses(parseInteger(1, 10), ['0', '11']);
});

test('a choice is taken as it is written', () => {
  const parse = parseChoice(['1.2', '1.3'] as const);
  assert.equal(parse('1.3'), '1.3');
  assert.throws(() => parse('1.1'), /takes one of 1\.2, 1\.3, not "1\.1"/);
  refuses(parse, ['', '1', '1.20', ' 1.2']);
});

test('a text is taken unless it is empty or holds a zero byte', () => {
  assert.equal(parseText(' a b '), ' a b ');
  assert.throws(() => parseText(''), /needs a value/);
  assert.throws(() => parseText('a\0b'), /zero byte/);
});

test('only an https:// address is an authority host', () => {
  assert.equal(parseHttpsUrl('https://127.0.0.1:8443'), 'https://127.0.0.1:8443');
  refuses(parseHttpsUrl, [
    '',
    'http://login.example',
    'login.example',
    'https://',
    'ftp://x',
    'javascript:0',
  ]);
});

test('host names and IP addresses are hosts', () => {
  const hosts = [
    'myserver',
    'my.host',
    'a_b.c-d.e',
    '_srv.example',
    'host.',
    '10.0.0.1',
    '::1',
    'fe80::1%eth0',
  ];
  for (const host of [...hosts, 'x'.repeat(63)]) assert.equal(parseHost(host), host);
});

test('what cannot be a host is refused', () => {
  refuses(parseHost, [
    '',
    '.',
    '-a',
    'a b',
    'a..b',
    'a/b',
    'a:1',
    'user@host',
    '[::1]',
    '::1::',
    'gr\u00fc\u00df',
  ]);
  refuses(parseHost, ['x'.repeat(64), `${'x.'.repeat(127)}x`]);
});

test('addresses are told apart by whether other machines can reach them', () => {
  for (const address of [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    'localhost',
    '::ffff:127.0.0.1',
    '0:0:0:0:0:0:0:1',
  ]) {
    assert.equal(parseAddress(address), address);
    assert.ok(isLoopback(address), address);
  }
  for (const address of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    'fe80::1',
    '::ffff:10.0.0.1',
    '::127.0.0.1',
  ]) {
    assert.equal(parseAddress(address), address);
    assert.ok(!isLoopback(address), address);
  }
  refuses(parseAddress, ['', '*', '127.0.0.1.example.com', '127.1', '127.evil', 'localhost.', 'my.host']);
});

test('a list is names with commas between them', () => {
  assert.deepEqual(parseList('a'), ['a']);
  assert.deepEqual(parseList('a, b c,ü'), ['a', 'b c', 'ü']);
  refuses(parseList, ['', ',', 'a,', ' ,b']);
});

test('a short server name is completed with the suffix of the cloud, a full one is not', () => {
  const suffix = '.postgres.database.azure.com';
  const servers: [string, string, number | undefined][] = [
    ['myserver', `myserver${suffix}`, undefined],
    ['myserver:6433', `myserver${suffix}`, 6433],
    ['my.host', 'my.host', undefined],
    ['my.host:6433', 'my.host', 6433],
    ['localhost', 'localhost', undefined],
    ['localhost:5', 'localhost', 5],
    ['10.0.0.4', '10.0.0.4', undefined],
    ['10.0.0.4:5432', '10.0.0.4', 5432],
    ['[::1]:5', '::1', 5],
    ['[::1]', '::1', undefined],
    ['::1', '::1', undefined],
    ['2001:db8::1:5432', '2001:db8::1:5432', undefined],
  ];
  for (const [text, host, port] of servers) assert.deepEqual(parseServer(text, SUFFIX), { host, port }, text);
});

test('a URL, a bad port and everything else that is no server is refused', () => {
  assert.throws(() => parseServer('postgres://user@host/db', SUFFIX), /is a URL/);
  assert.throws(() => parseServer('https://myserver.postgres.database.azure.com', SUFFIX), /is a URL/);
  const strange = ['', ':5432', 'host:', 'host:port', 'a:b:c', '[::1', '[]', 'ho st', 'user@host', 'host/db'];
  for (const text of [...strange, 'host:0', 'host:65536', '[::1]x', '[::1]:']) {
    assert.throws(() => parseServer(text, SUFFIX), Error, `"${text}" was taken`);
  }
});

test('every text is either parsed or refused with an Error that says something', () => {
  const parsers: ((text: string) => unknown)[] = [
    parseDuration,
    parseTimeout,
    parseInteger(0, 65_535),
    parseChoice(['a', 'b']),
    parseText,
    parseHttpsUrl,
    parseHost,
    parseAddress,
    parseList,
    (text: string) => parseServer(text, SUFFIX),
  ];
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('[', ']', ':', '.', '1', '0', 'a', 's', 'm', '-', '/', '%') }),
  );
  fc.assert(
    fc.property(texts, fc.constantFrom(...parsers), (text, parse) => {
      try {
        parse(text);
      } catch (error) {
        assert.ok(error instanceof Error && error.message !== '');
      }
    }),
    { numRuns: 3_000 },
  );
});
