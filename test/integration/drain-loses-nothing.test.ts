import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Client } from 'pg';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import { argumentsFor, type RunningProgram, startListening } from '../support/running-program.ts';
import { until } from '../support/wait.ts';
import { extendedQuery, message, WireClient } from '../support/wire.ts';

const RESTARTS = 4;
const ROUND_TRIP_WRITERS = 6;
const PIPELINING_WRITERS = 3;

/** So many more commits are acknowledged before the next program is told to stop. */
const COMMITS_PER_RESTART = 150;

/** How much of what is wrong a failure shows. */
const SHOWN = 5;

const SCHEMA = `
  create table written (id int primary key);
  create table written_too (id int primary key);
  grant insert on written, written_too to public`;

interface Bookkeeping {
  /** Where clients find the program that serves now. */
  port: number;
  done: boolean;
  lastId: number;
  /** Transactions whose BEGIN was answered and whose COMMIT was not. */
  openTransactions: number;
  /** Rows of transactions whose COMMIT was answered. */
  readonly acknowledged: Set<number>;
  /** What clients were told when they were sent away. */
  readonly refusals: string[];
}

function nextId(books: Bookkeeping): number {
  books.lastId += 1;
  return books.lastId;
}

type Write = (client: Client, id: number, books: Bookkeeping) => Promise<unknown>;

const WRITES: readonly Write[] = [
  (client, id) => client.query('insert into written values ($1)', [id]),
  (client, id) => client.query(`insert into written values (${id})`),
  (client, id) =>
    client.query(`begin; insert into written values (${id}); insert into written_too values (${id}); commit`),
  async (client, id, books) => {
    await client.query('begin');
    books.openTransactions += 1;
    await client.query('insert into written values ($1)', [id]);
    await client.query('insert into written_too values ($1)', [id]);
    await client.query('commit');
    books.openTransactions -= 1;
  },
];

/** A client that waits for each answer, and connects again when it is sent away. */
async function writeStepwise(books: Bookkeeping): Promise<void> {
  while (!books.done) {
    const failures: NodeJS.ErrnoException[] = [];
    try {
      await using connection = await connectPg(books.port);
      const { client } = connection;
      // What the proxy says unasked comes before the failure of the query that follows.
      client.on('error', (error) => failures.push(error));
      while (!books.done && failures.length === 0) {
        const id = nextId(books);
        await WRITES[id % WRITES.length]?.(client, id, books);
        books.acknowledged.add(id);
      }
    } catch (error) {
      failures.push(error as NodeJS.ErrnoException);
    }
    const [failure] = failures;
    if (failure !== undefined) books.refusals.push(failure.code ?? failure.message);
  }
}

/** Transactions in different forms, to be sent at once; and what each of their answers acknowledges. */
function pipeline(books: Bookkeeping): { bytes: Buffer; acknowledgements: number[][] } {
  const [one, two, three, four] = [nextId(books), nextId(books), nextId(books), nextId(books)];
  const bytes = Buffer.concat([
    message('Q', 'begin\0'),
    message('Q', `insert into written values (${one})\0`),
    message('Q', 'commit\0'),
    extendedQuery(`insert into written values (${two})`),
    extendedQuery(`insert into written_too values (${two})`),
    message('S'),
    extendedQuery('begin'),
    extendedQuery(`insert into written values (${three})`),
    message('H'),
    extendedQuery('commit'),
    extendedQuery(`insert into written values (${four})`),
    message('S'),
  ]);
  return { bytes, acknowledgements: [[], [], [one], [two], [three, four]] };
}

/** A client that sends several transactions, in two slices, before it looks at an answer. */
async function writePipelined(books: Bookkeeping): Promise<void> {
  while (!books.done) {
    const client = new WireClient(connect({ host: '127.0.0.1', port: books.port, allowHalfOpen: true }));
    const isGone = (): boolean => client.ended || client.closed;
    const answered = (): number => client.of('Z').length;
    client.startUp();
    await until('the login', () => answered() > 0 || isGone());
    while (!books.done && !isGone()) {
      const { bytes, acknowledgements } = pipeline(books);
      const before = answered();
      const cut = books.lastId % bytes.length;
      client.send(bytes.subarray(0, cut));
      await nextTurn();
      client.send(bytes.subarray(cut));
      await until('the answers', () => answered() - before === acknowledgements.length || isGone());
      for (const id of acknowledgements.slice(0, answered() - before).flat()) books.acknowledged.add(id);
    }
    if (!books.done)
      books.refusals.push(client.of('E').length > 0 ? (await client.waitError()).sqlState : '');
    client.socket.destroy();
  }
}

async function stop(program: RunningProgram): Promise<void> {
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  assert.equal((await program.find('stopped'))['cut'], 0);
}

test('under load, programs that stop lose no commit, and cut none before its answer', async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using files = await createTestFiles();
  await server.postgres.admin(SCHEMA, 'app');
  const args = await argumentsFor(server, files);
  await using programs = new AsyncDisposableStack();
  const start = async (): Promise<RunningProgram> => programs.use(await startListening(args));
  let program = await start();
  const books: Bookkeeping = {
    port: program.port,
    done: false,
    lastId: 0,
    openTransactions: 0,
    acknowledged: new Set(),
    refusals: [],
  };
  const writers = [
    ...Array.from({ length: ROUND_TRIP_WRITERS }, () => writeStepwise(books)),
    ...Array.from({ length: PIPELINING_WRITERS }, () => writePipelined(books)),
  ];
  for (let restart = 0; restart < RESTARTS; restart += 1) {
    const next = await start();
    const due = books.acknowledged.size + COMMITS_PER_RESTART;
    await until(`${due} commits`, () => books.acknowledged.size >= due);
    books.port = next.port;
    await stop(program);
    program = next;
  }
  books.done = true;
  await Promise.all(writers);
  await stop(program);

  const rows = await server.postgres.admin('select id from written', 'app');
  const written = new Set(rows.map((row) => Number(row['id'])));
  const { acknowledged } = books;
  assert.deepEqual(
    [...acknowledged].filter((id) => !written.has(id)).slice(0, SHOWN),
    [],
    'acknowledged, and lost',
  );
  assert.deepEqual(
    [...written].filter((id) => !acknowledged.has(id)).slice(0, SHOWN),
    [],
    'written, and not told',
  );
  assert.equal(books.openTransactions, 0, 'transactions were cut');
  const halves = await server.postgres.admin(
    'select id from written_too except select id from written',
    'app',
  );
  assert.deepEqual(halves, []);
  // Who comes to a listener that is just closing is refused, or reset, by the kernel.
  const expected = new Set(['57P01', '57P03', 'ECONNREFUSED', 'ECONNRESET']);
  assert.deepEqual(
    books.refusals.filter((code) => !expected.has(code)),
    [],
  );
  assert.ok(books.refusals.includes('57P01'));
});
