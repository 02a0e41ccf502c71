import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Turns } from '../../../src/proxy/turns.ts';

const RECORD = Buffer.alloc(8_192);

/** A client that keeps how many chunks came at a time, and takes no more while it is slow. */
class Client extends Writable {
  readonly batches: number[] = [];
  isSlow = false;
  #catchUp: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 262_144 });
  }

  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    this.#take(1, done);
  }

  override _writev(chunks: readonly unknown[], done: () => void): void {
    this.#take(chunks.length, done);
  }

  catchUp(): void {
    this.isSlow = false;
    this.#catchUp?.();
  }

  #take(count: number, done: () => void): void {
    this.batches.push(count);
    if (this.isSlow) this.#catchUp = done;
    else done();
  }
}

function start(): { server: Readable; client: Client; turns: Turns } {
  const server = new Readable({ read() {} });
  server.on('data', () => {});
  const client = new Client();
  return { server, client, turns: new Turns(server, client) };
}

test('records that come in one turn are written together', async () => {
  const { client, turns } = start();
  for (const record of [RECORD, RECORD, Buffer.alloc(10)]) turns.pass(record);
  assert.deepEqual(client.batches, []);
  await nextTurn();
  assert.deepEqual(client.batches, [3]);
  turns.pass(RECORD);
  await nextTurn();
  assert.deepEqual(client.batches, [3, 1]);
});

test('the answer to a small query goes out at once', () => {
  const { client, turns } = start();
  turns.pass(Buffer.alloc(4_095));
  assert.deepEqual(client.batches, [1]);
});

test('a session that streams pauses until the others had their turn', async () => {
  const { server, turns } = start();
  for (let count = 1; count < 8; count += 1) turns.pass(RECORD);
  assert.equal(server.isPaused(), false);
  turns.pass(RECORD);
  assert.equal(server.isPaused(), true);
  await nextTurn();
  assert.equal(server.isPaused(), false);
});

test('a client that does not read pauses the server until it has caught up', async () => {
  const { server, client, turns } = start();
  client.isSlow = true;
  turns.pass(RECORD);
  await nextTurn();
  while (!client.writableNeedDrain) turns.pass(Buffer.alloc(4_000));
  await nextTurn();
  assert.equal(server.isPaused(), true);
  client.catchUp();
  await nextTurn();
  assert.deepEqual([server.isPaused(), client.writableLength], [false, 0]);
});
