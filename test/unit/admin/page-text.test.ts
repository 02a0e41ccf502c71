import assert from 'node:assert/strict';
import { test } from 'node:test';

/** The page's own modules, as the browser gets them. */
const page = new URL('../../../src/admin/page/', import.meta.url);

const { visible, bytes, span, latency } = (await import(new URL('text.js', page).href)) as Record<
  'visible',
  (text: string | null) => string
> &
  Record<'bytes' | 'span' | 'latency', (value: number) => string>;

const { connectionStrings } = (await import(new URL('connection-strings.js', page).href)) as {
  connectionStrings: (listener: string, here: string) => { name: string; text: string }[];
};

function texts(listener: string, here = 'localhost'): string[] {
  return connectionStrings(listener, here).map(({ text }) => text);
}

test('what cannot be seen, or turns its surroundings around, is named', () => {
  assert.equal(visible('abc\u202Egpj.exe\u202C'), 'abc‹U+202E›gpj.exe‹U+202C›');
  assert.equal(visible('a\u200Bb\0c\u2028d\u{E0041}'), 'a‹U+200B›b‹U+0000›c‹U+2028›d‹U+E0041›');
  assert.equal(visible('Ärger שלום 漢字 🐘'), 'Ärger שלום 漢字 🐘');
  assert.equal(visible('<b>&amp;'), '<b>&amp;');
  assert.equal(visible(null), '');
});

test('no text is endless, in length or in height', () => {
  assert.ok(visible('x'.repeat(100_000)).length < 1_100);
  assert.equal(visible(`e${'\u0301'.repeat(500)}!`), 'e\u0301\u0301…!');
});

test('amounts are told in three digits with their unit', () => {
  assert.deepEqual([0, 999, 1_000, 48_211, 190_331, 7.34e8, 5e16].map(bytes), [
    '0 B',
    '999 B',
    '1 kB',
    '48.2 kB',
    '190 kB',
    '734 MB',
    '50000 TB',
  ]);
  assert.deepEqual([-5, 0, 59_999, 61_000, 3_600_000, 90_061_000].map(span), [
    '0 s',
    '0 s',
    '59 s',
    '1 min 01 s',
    '1 h 00 min',
    '1 d 1 h',
  ]);
  assert.deepEqual([0.04, 9.99, 12.34, 123.4, 1_500].map(latency), [
    '0.04 ms',
    '9.99 ms',
    '12.3 ms',
    '123 ms',
    '1.5 s',
  ]);
});

test('each listener has lines for psql, URLs and JDBC', () => {
  assert.deepEqual(texts('127.0.0.1:6432'), [
    'psql "host=127.0.0.1 port=6432 dbname=postgres"',
    'postgresql://127.0.0.1:6432/postgres?sslmode=disable',
    'jdbc:postgresql://127.0.0.1:6432/postgres?sslmode=disable',
  ]);
  assert.deepEqual(texts('[::1]:6432').slice(0, 2), [
    'psql "host=::1 port=6432 dbname=postgres"',
    'postgresql://[::1]:6432/postgres?sslmode=disable',
  ]);
});

test('one that listens everywhere goes by the name that the page came by', () => {
  assert.match(texts('0.0.0.0:6432', '10.1.2.3')[1] ?? '', /^postgresql:\/\/10\.1\.2\.3:6432\//);
  assert.match(texts('0.0.0.0:6432')[1] ?? '', /^postgresql:\/\/127\.0\.0\.1:6432\//);
  assert.match(texts('[::]:6432', '[::1]')[0] ?? '', /host=::1 /);
});

test('a Unix socket has lines for what knows Unix sockets, fit for a shell', () => {
  assert.deepEqual(texts('/run/pg/.s.PGSQL.6432'), [
    'psql "host=/run/pg port=6432 dbname=postgres"',
    'postgresql:///postgres?host=%2Frun%2Fpg&port=6432&sslmode=disable',
  ]);
  assert.equal(
    texts("/tmp/it's $(id)/.s.PGSQL.1")[0],
    String.raw`psql 'host='\''/tmp/it\'\''s $(id)'\'' port=1 dbname=postgres'`,
  );
  assert.deepEqual(texts('/run/other-name'), []);
  assert.deepEqual(texts('(nameless Unix socket)'), []);
});
