import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startConnectBench } from '../support/connect.ts';
import { ASKING_CLIENTS } from '../support/connect-clients.ts';
import { PROVEN_CLIENTS } from '../support/proven-clients.ts';
import { until } from '../support/wait.ts';

const bench = await startConnectBench();
after(() => bench[Symbol.asyncDispose]());

for (const { name, skip, ask } of ASKING_CLIENTS) {
  test(`${name} connects with the printed text, over TCP, Unix sockets and TLS, with awkward names`, {
    skip,
  }, async () => {
    const ways = bench.ways.flatMap(({ name: way, texts, answer }) => {
      const text = texts.get(name);
      return text === undefined ? [] : [{ way, text, answer }];
    });
    const texts = ways.map(({ text }) => text);
    const answers = await ask(texts, bench.files.directory);
    assert.deepEqual(
      answers.map((answer, index) => [ways[index]?.way, answer]),
      ways.map(({ way, answer }) => [way, answer]),
    );
  });
}

test('a client is told where it cannot come, and may come everywhere else', () => {
  const refused = bench.ways.flatMap(({ name, texts }) =>
    ASKING_CLIENTS.filter((client) => texts.get(client.name) === undefined).map((client) => [
      client.name,
      name,
    ]),
  );
  assert.deepEqual(refused, [
    // A name with a semicolon.
    ['odbc', 'a port'],
    ['jdbc', 'a Unix socket'],
  ]);
});

test('whoever is told to use TLS does', async () => {
  const sessions = (): string[] =>
    bench.overTls.stderr.split('\n').filter((line) => line.includes('"event":"session"'));
  const tried = ASKING_CLIENTS.filter(({ skip }) => skip === false).length;
  await until('the sessions to end', () => sessions().length >= 2 * tried);
  assert.deepEqual(
    sessions().filter((line) => !line.includes('"clientTls":"TLSv1.3"')),
    [],
  );
});

test('those that docs/clients.md calls tested are tested here', () => {
  assert.deepEqual(ASKING_CLIENTS.map(({ name }) => name).toSorted(), [...PROVEN_CLIENTS].toSorted());
});
