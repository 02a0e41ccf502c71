import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { type Logger, pino } from 'pino';
import { LogFolding } from '../../src/log-folding.ts';

type Line = Readonly<Record<string, unknown>>;

/** A logger that folds, what it wrote, and a clock to turn. */
function createFoldingLog(level = 'info') {
  mock.timers.enable({ apis: ['setInterval'] });
  const lines: Line[] = [];
  const clock = { now: 0 };
  const folding = new LogFolding(() => clock.now);
  const log: Logger = pino(
    {
      level,
      base: null,
      hooks: {
        logMethod(args, method, number) {
          folding.take(this, args, method, number);
        },
      },
    },
    { write: (line) => void lines.push(JSON.parse(line) as Line) },
  );
  return {
    log,
    folding,
    lines,
    messages: () => lines.map(({ msg }) => msg),
    pass: (ms: number): void => {
      clock.now += ms;
      mock.timers.tick(ms);
    },
    [Symbol.dispose]: () => mock.timers.reset(),
  };
}

function refuse(log: Logger, sessionId: number, error = 'no such role', sqlState = '28000'): void {
  log.warn({ event: 'session', sessionId, sqlState, error }, `#${sessionId} app refused: ${error}`);
}

test('the first refusal of a kind is told at once, the others every ten seconds as one line with a count', () => {
  using folded = createFoldingLog();
  for (let id = 1; id <= 400; id += 1) refuse(folded.log, id);
  assert.deepEqual(folded.messages(), ['#1 app refused: no such role']);
  folded.pass(10_000);
  assert.deepEqual(folded.messages().slice(1), [
    '#400 app refused: no such role (399 times in 10 s, this the last)',
  ]);
  assert.equal(folded.lines[1]?.['sessionId'], 400);
  assert.equal(folded.lines[1]?.['repeated'], 399);
  refuse(folded.log, 401);
  folded.pass(10_000);
  assert.deepEqual(folded.messages().slice(2), ['#401 app refused: no such role']);
});

test('a kind of which nothing more came is forgotten: its next refusal is told at once', () => {
  using folded = createFoldingLog();
  refuse(folded.log, 1);
  folded.pass(20_000);
  refuse(folded.log, 2);
  assert.equal(folded.lines.length, 2);
});

test('whatever differs in server, event, SQLSTATE, error or level is told at once', () => {
  using folded = createFoldingLog();
  const { log } = folded;
  refuse(log, 1);
  refuse(log, 2, 'no such database');
  refuse(log, 3, 'no such role', '28P01');
  refuse(log.child({ server: 'other' }), 4);
  log.warn({ event: 'cancel', sessionId: 5, sqlState: '28000', error: 'no such role' }, 'a');
  log.error({ event: 'session', sessionId: 6, sqlState: '28000', error: 'no such role' }, 'b');
  assert.equal(folded.lines.length, 6);
});

test('lines that are no refusals of sessions, and those of sessions that went well, are never folded', () => {
  using folded = createFoldingLog();
  for (let id = 1; id <= 3; id += 1) {
    folded.log.info({ event: 'session', sessionId: id, error: 'x' }, 'ended');
    folded.log.warn({ event: 'token-failed', error: 'x' }, 'no token');
    folded.log.warn('text alone');
  }
  assert.equal(folded.lines.length, 9);
});

test('who asks for debug gets every line', () => {
  using folded = createFoldingLog('debug');
  for (let id = 1; id <= 5; id += 1) refuse(folded.log, id);
  assert.equal(folded.lines.length, 5);
});

test('at the end what is left is told', () => {
  using folded = createFoldingLog();
  for (let id = 1; id <= 4; id += 1) refuse(folded.log, id);
  folded.folding.flush();
  assert.match(String(folded.messages()[1]), /^#4 .*\(3 times in 0 s, this the last\)$/);
});

test('clients that make up ever new kinds cost no memory, and hide no line', () => {
  using folded = createFoldingLog();
  refuse(folded.log, 1, 'the first kind');
  refuse(folded.log, 2, 'the first kind');
  for (let id = 3; id < 1_003; id += 1) refuse(folded.log, id, `kind ${id}`);
  assert.equal(folded.lines.length, 1_002);
  folded.folding.flush();
  assert.equal(folded.lines.length, 1_002);
  // The kind that had to make room for others has been told.
  assert.ok(folded.lines.some(({ sessionId }) => sessionId === 2));
});
