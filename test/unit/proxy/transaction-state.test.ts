import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serialize } from 'pg-protocol';
import { TransactionState } from '../../../src/proxy/transaction-state.ts';
import { int32, message, piecesOf } from '../bytes.ts';

/** One peer says something; then the session is idle or not. */
type Step = readonly [from: 'client' | 'server', bytes: Buffer, then: 'idle' | 'busy'];

const READY = message('Z', 'I');
const IN_TRANSACTION = message('Z', 'T');
const IN_FAILED_TRANSACTION = message('Z', 'E');
const COMPLETE = message('C', 'SELECT 1\0');
const ROW = message('D', Buffer.alloc(300, 'x'));
const ERROR = message('E', 'SERROR\0VERROR\0C22012\0Mdivision by zero\0\0');
const COPY_IN = message('G', Buffer.from([0, 0, 1, 0, 0]));
const COPY_OUT = message('H', Buffer.from([0, 0, 1, 0, 0]));
const COPY_BOTH = message('W', Buffer.from([0, 0, 0]));
const PARSED = Buffer.concat([message('1'), message('2'), message('n')]);
const LOGIN_END = Buffer.concat([
  message('S', 'server_version\x0018.4\0'),
  message('K', Buffer.concat([int32(4711), Buffer.from('key!')])),
  READY,
]);

const QUERY = serialize.query('select 1');
const SYNC = Buffer.from(serialize.sync());
const FLUSH = Buffer.from(serialize.flush());
const COPY_DONE = Buffer.from(serialize.copyDone());
const TERMINATE = Buffer.from(serialize.end());
const COPY_DATA = serialize.copyData(Buffer.from('1\t2\n'));
/** Parse, Bind, Describe, Execute: a whole extended query but for its Sync. */
const BATCH = Buffer.concat([
  serialize.parse({ text: 'select $1' }),
  serialize.bind({ values: ['x'] }),
  serialize.describe({ type: 'P' }),
  serialize.execute(),
]);

const LOGIN: Step = ['server', LOGIN_END, 'idle'];

function join(...parts: Buffer[]): Buffer {
  return Buffer.concat(parts);
}

/** The offsets at which the messages in these bytes end. */
function endsOf(bytes: Buffer): Set<number> {
  const ends = new Set<number>();
  for (let end = 0; end < bytes.length; ) {
    end += 1 + bytes.readUInt32BE(end + 1);
    ends.add(end);
  }
  return ends;
}

/** Plays a conversation in whole steps, byte by byte, and in chunks that cut headers and bodies. */
function play(...steps: Step[]): TransactionState {
  let last: TransactionState | undefined;
  for (const size of [1, 2, 3, 7, Number.MAX_SAFE_INTEGER]) {
    const state = new TransactionState(() => {});
    for (const [index, [from, bytes, then]] of steps.entries()) {
      const ends = endsOf(bytes);
      let pushed = 0;
      for (const piece of piecesOf(bytes, size)) {
        if (from === 'client') state.pushFromClient(piece);
        else state.pushFromServer(piece);
        pushed += piece.length;
        const where = `step ${index}, byte ${pushed}, in chunks of ${size}`;
        if (!ends.has(pushed)) assert.equal(state.idle, false, `idle inside a message: ${where}`);
        if (from === 'server') assert.equal(state.serverAtBoundary, ends.has(pushed), where);
      }
      assert.equal(state.idle ? 'idle' : 'busy', then, `step ${index} in chunks of ${size}`);
    }
    last = state;
  }
  assert.ok(last !== undefined);
  return last;
}

test('a session is busy until its login has ended with ReadyForQuery', () => {
  const state = new TransactionState(() => {});
  assert.equal(state.idle, false);
  assert.equal(state.awaited, true);
  play(['server', message('S', 'a\0b\0'), 'busy'], ['server', READY, 'idle']);
});

test('a simple query is under way until ReadyForQuery', () => {
  const state = play(
    LOGIN,
    ['client', QUERY, 'busy'],
    ['server', join(ROW, COMPLETE), 'busy'],
    ['server', READY, 'idle'],
  );
  assert.equal(state.awaited, false);
});

test('a function call is under way until ReadyForQuery', () => {
  play(
    LOGIN,
    ['client', message('F', 'x'), 'busy'],
    ['server', message('V', 'x'), 'busy'],
    ['server', READY, 'idle'],
  );
});

test('a transaction block is busy from its first statement to its last, also after an error', () => {
  play(
    LOGIN,
    ['client', QUERY, 'busy'],
    ['server', join(COMPLETE, IN_TRANSACTION), 'busy'],
    ['client', QUERY, 'busy'],
    ['server', join(ERROR, IN_FAILED_TRANSACTION), 'busy'],
    ['client', QUERY, 'busy'],
    ['server', join(COMPLETE, READY), 'idle'],
  );
});

test('an extended query is under way from its first message to the answer to its Sync', () => {
  play(
    LOGIN,
    ['client', serialize.parse({ text: 'select 1' }), 'busy'],
    ['client', serialize.bind(), 'busy'],
    ['client', join(serialize.execute(), SYNC), 'busy'],
    ['server', join(PARSED, ROW, COMPLETE), 'busy'],
    ['server', READY, 'idle'],
  );
});

test('every kind of extended message opens a batch', () => {
  const openers = [
    serialize.parse({ text: '' }),
    serialize.bind(),
    serialize.execute(),
    serialize.describe({ type: 'S' }),
    serialize.close({ type: 'S' }),
    FLUSH,
  ];
  for (const opener of openers) {
    play(LOGIN, ['client', Buffer.from(opener), 'busy'], ['client', SYNC, 'busy'], ['server', READY, 'idle']);
  }
});

test('with two Syncs in the pipeline, the first ReadyForQuery is not the end', () => {
  play(
    LOGIN,
    ['client', join(BATCH, SYNC, BATCH, SYNC), 'busy'],
    ['server', join(PARSED, COMPLETE, READY), 'busy'],
    ['server', join(PARSED, COMPLETE, READY), 'idle'],
  );
});

test('a query sent before the last one was answered is waited for', () => {
  play(
    LOGIN,
    ['client', join(QUERY, QUERY, QUERY), 'busy'],
    ['server', join(COMPLETE, READY, COMPLETE, READY), 'busy'],
    ['server', join(ERROR, READY), 'idle'],
  );
});

test('a batch with Flush and no Sync is not idle, even when it was answered', () => {
  play(
    LOGIN,
    ['client', join(BATCH, FLUSH), 'busy'],
    ['server', join(PARSED, ROW, COMPLETE), 'busy'],
    ['client', SYNC, 'busy'],
    ['server', READY, 'idle'],
  );
});

test('an error in a batch is over with the answer to its Sync', () => {
  play(
    LOGIN,
    ['client', join(BATCH, FLUSH), 'busy'],
    ['server', ERROR, 'busy'],
    ['client', join(BATCH, SYNC), 'busy'],
    ['server', READY, 'idle'],
  );
});

test('COPY IN by a simple query is over with ReadyForQuery', () => {
  play(
    LOGIN,
    ['client', QUERY, 'busy'],
    ['server', COPY_IN, 'busy'],
    ['client', join(COPY_DATA, COPY_DATA), 'busy'],
    ['client', COPY_DONE, 'busy'],
    ['server', join(COMPLETE, READY), 'idle'],
  );
});

test('COPY OUT is over with ReadyForQuery', () => {
  play(
    LOGIN,
    ['client', QUERY, 'busy'],
    ['server', join(COPY_OUT, message('d', 'row'), message('c')), 'busy'],
    ['server', join(COMPLETE, READY), 'idle'],
  );
});

test("libpq's early Sync, which COPY IN swallows, is not waited for", () => {
  play(
    LOGIN,
    ['client', join(BATCH, SYNC), 'busy'],
    ['server', join(PARSED, COPY_IN), 'busy'],
    ['client', join(COPY_DATA, COPY_DONE), 'busy'],
    ['client', SYNC, 'busy'],
    ['server', join(COMPLETE, READY), 'idle'],
    ['client', QUERY, 'busy'],
    ['server', join(COMPLETE, READY), 'idle'],
  );
});

test('an early Sync that passes the answer on its way makes no difference', () => {
  play(
    LOGIN,
    ['client', BATCH, 'busy'],
    ['server', join(PARSED, COPY_IN), 'busy'],
    ['client', SYNC, 'busy'],
    ['client', join(COPY_DATA, COPY_DONE, SYNC), 'busy'],
    ['server', join(COMPLETE, READY), 'idle'],
  );
});

test('COPY IN by an extended query with Flush, whose only Sync comes last, is over with its answer', () => {
  play(
    LOGIN,
    ['client', join(BATCH, FLUSH), 'busy'],
    ['server', join(PARSED, COPY_IN), 'busy'],
    ['client', join(COPY_DATA, COPY_DONE), 'busy'],
    ['server', COMPLETE, 'busy'],
    ['client', SYNC, 'busy'],
    ['server', READY, 'idle'],
  );
});

test('a COPY IN that the server refuses halfway is over with the next ReadyForQuery', () => {
  play(
    LOGIN,
    ['client', QUERY, 'busy'],
    ['server', COPY_IN, 'busy'],
    ['client', COPY_DATA, 'busy'],
    ['server', join(ERROR, READY), 'idle'],
    // What the client had on the way is ignored by the server.
    ['client', join(COPY_DATA, COPY_DONE), 'idle'],
    ['client', QUERY, 'busy'],
    ['server', join(COMPLETE, READY), 'idle'],
  );
});

test('after the server refuses an extended COPY IN, the Sync counts again', () => {
  play(
    LOGIN,
    ['client', join(BATCH, SYNC), 'busy'],
    ['server', join(PARSED, COPY_IN), 'busy'],
    ['server', ERROR, 'busy'],
    ['client', SYNC, 'busy'],
    ['server', READY, 'idle'],
  );
});

test('a COPY IN that the client gives up is over with ReadyForQuery', () => {
  const copyFail = serialize.copyFail('no more');
  play(
    LOGIN,
    ['client', QUERY, 'busy'],
    ['server', COPY_IN, 'busy'],
    ['client', join(COPY_DATA, copyFail), 'busy'],
    ['server', join(ERROR, READY), 'idle'],
  );
  play(
    LOGIN,
    ['client', join(BATCH, SYNC), 'busy'],
    ['server', join(PARSED, COPY_IN), 'busy'],
    ['client', join(copyFail, SYNC), 'busy'],
    ['server', join(ERROR, READY), 'idle'],
  );
});

test('a COPY IN in a transaction block leaves it open', () => {
  play(
    LOGIN,
    ['client', QUERY, 'busy'],
    ['server', join(COMPLETE, IN_TRANSACTION), 'busy'],
    ['client', QUERY, 'busy'],
    ['server', COPY_IN, 'busy'],
    ['client', join(COPY_DATA, COPY_DONE), 'busy'],
    ['server', join(COMPLETE, IN_TRANSACTION), 'busy'],
  );
});

test('a replication stream is idle between any two messages, and only there', () => {
  play(
    LOGIN,
    ['client', serialize.query('START_REPLICATION 0/0'), 'busy'],
    ['server', COPY_BOTH, 'idle'],
    ['server', message('d', 'wal'), 'idle'],
    ['client', COPY_DATA, 'idle'],
    ['server', message('d', Buffer.alloc(1_000)), 'idle'],
    ['client', COPY_DONE, 'idle'],
    ['server', join(message('c'), COMPLETE, IN_TRANSACTION), 'busy'],
  );
});

test('a replication stream is one from CopyBothResponse to ReadyForQuery', () => {
  const streaming = play(LOGIN, ['client', QUERY, 'busy'], ['server', COPY_BOTH, 'idle']);
  assert.equal(streaming.streaming, true);
  const over = play(
    LOGIN,
    ['client', QUERY, 'busy'],
    ['server', join(COPY_BOTH, message('c'), READY), 'idle'],
  );
  assert.equal(over.streaming, false);
});

test('notices and notifications between queries change nothing', () => {
  const notice = message('N', 'SFATAL\0VFATAL\0C00000\0Mno error at all\0\0');
  const state = play(LOGIN, ['server', join(notice, message('A', 'x'), message('S', 'a\0b\0')), 'idle']);
  assert.equal(state.explained, false);
});

test('Terminate is noticed', () => {
  assert.equal(play(LOGIN).terminated, false);
  assert.equal(play(LOGIN, ['client', TERMINATE, 'idle']).terminated, true);
  const inside = serialize.query('X');
  assert.equal(play(LOGIN, ['client', inside, 'busy']).terminated, false);
});

test("a FATAL or PANIC error explains the server's close, another error does not", () => {
  const fatal = message('E', 'SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0');
  const panic = message('E', 'SPANIK\0VPANIC\0CXX000\0Mdisk gone\0\0');
  const oldServer = message('E', 'SFATAL\0C57P01\0Mterminating connection\0\0');
  const longSeverity = message('E', 'S\u0412\u0410\u0416\u041d\u041e\0VFATAL\0C57P01\0Mx\0\0');
  for (const deadly of [fatal, panic, oldServer, longSeverity]) {
    assert.equal(play(LOGIN, ['server', deadly, 'idle']).explained, true);
  }
  assert.equal(play(LOGIN, ['client', QUERY, 'busy'], ['server', ERROR, 'busy']).explained, false);
  const both = play(LOGIN, ['client', QUERY, 'busy'], ['server', join(ERROR, fatal), 'busy']);
  assert.equal(both.explained, true);
});

test('an error whose text reads like a severity explains nothing', () => {
  for (const text of ['SFATAL', 'the VPANIC']) {
    const error = message('E', `SERROR\0VERROR\0C22012\0M${text}\0\0`);
    assert.equal(play(LOGIN, ['client', QUERY, 'busy'], ['server', error, 'busy']).explained, false, text);
  }
});

test('process ID and key are reported once, with keys of 4, 32 and 256 bytes, however they are cut', () => {
  for (const keyLength of [4, 32, 256]) {
    const key = Buffer.concat([int32(4711), Buffer.alloc(keyLength, 9)]);
    for (const size of [1, 5, 6, 1_000]) {
      const keys: Buffer[] = [];
      const state = new TransactionState((one) => keys.push(one));
      const bytes = join(message('S', 'a\0b\0'), message('K', key), READY);
      for (const piece of piecesOf(bytes, size)) state.pushFromServer(piece);
      // The framer's buffer is its own again by now.
      bytes.fill(0);
      assert.deepEqual(keys, [key]);
    }
  }
});

test('a stream that stopped making sense is never idle, and nothing can be put into it', () => {
  const nonsense = join(Buffer.from('Z'), int32(3));
  const fromServer = new TransactionState(() => {});
  fromServer.pushFromServer(join(LOGIN_END, nonsense));
  assert.deepEqual([fromServer.idle, fromServer.serverAtBoundary], [false, false]);
  const fromClient = new TransactionState(() => {});
  fromClient.pushFromServer(LOGIN_END);
  fromClient.pushFromClient(nonsense);
  assert.deepEqual([fromClient.idle, fromClient.serverAtBoundary], [false, true]);
});
