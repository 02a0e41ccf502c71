import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { onEachServer } from '../support/postgres.ts';
import { connectPg, proxyTo } from '../support/proxy.ts';

const ROWS = 200_000;

onEachServer((server) => {
  test('COPY passes both ways, byte for byte', async () => {
    await using proxy = await proxyTo(server());
    await using connection = await connectPg(proxy.port);
    const { client } = connection;
    await client.query('create temp table copied (id int, body text)');
    const sent = createHash('sha256');
    const lines = Readable.from(
      (function* rows() {
        for (let id = 0; id < ROWS; id += 1) {
          const line = Buffer.from(`${id}\t${'x'.repeat(id % 200)}\n`);
          sent.update(line);
          yield line;
        }
      })(),
    );
    await pipeline(lines, client.query(copyFrom('copy copied from stdin')));
    const received = createHash('sha256');
    const out = client.query(copyTo('copy (select * from copied order by id) to stdout'));
    for await (const chunk of out) received.update(chunk as Buffer);
    assert.equal(received.digest('hex'), sent.digest('hex'));
  });

  test('a result of 1 GB passes', async () => {
    await using proxy = await proxyTo(server());
    await using connection = await connectPg(proxy.port);
    const sql = "copy (select repeat('x', 10485759) from generate_series(1, 100)) to stdout";
    let bytes = 0;
    for await (const chunk of connection.client.query(copyTo(sql))) bytes += (chunk as Buffer).length;
    assert.equal(bytes, 100 * 10_485_760);
  });

  test('a failing COPY leaves the session usable', async () => {
    await using proxy = await proxyTo(server());
    await using connection = await connectPg(proxy.port);
    const { client } = connection;
    await client.query('create temp table numbers (id int)');
    const bad = Readable.from([Buffer.from('1\nnot a number\n')]);
    await assert.rejects(pipeline(bad, client.query(copyFrom('copy numbers from stdin'))), { code: '22P02' });
    assert.deepEqual((await client.query('select count(*)::int as count from numbers')).rows, [{ count: 0 }]);
  });
});
