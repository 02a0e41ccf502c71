import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LogSink } from '../../src/log-sink.ts';
import { until } from '../support/wait.ts';

const directory = mkdtempSync(join(tmpdir(), 'log-sink-'));
after(() => rmSync(directory, { recursive: true }));

/** A pipe of which nobody reads, until a test does. */
function openPipe(name: string) {
  const path = join(directory, name);
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  let text = '';
  return {
    fd,
    get text() {
      return text;
    },
    read(): void {
      const buffer = Buffer.alloc(65_536);
      for (;;) {
        try {
          text += buffer.toString('utf8', 0, readSync(fd, buffer));
        } catch {
          return;
        }
      }
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

const lines = Array.from({ length: 3_000 }, (_, index) => `${index} ${'x'.repeat(500)}\n`);
const NEVER_OPEN = 999_999;

const SKIP = process.platform === 'win32' ? 'no pipes with a name' : false;

test('lines arrive whole and in order', { skip: SKIP }, async () => {
  using pipe = openPipe('order');
  const sink = new LogSink(pipe.fd);
  const some = lines.slice(0, 1_500);
  for (const line of some) sink.write(line);
  await until('all lines', () => {
    pipe.read();
    return pipe.text.length >= some.join('').length;
  });
  assert.equal(pipe.text, some.join(''));
  assert.equal(sink.takeLost(), 0);
});

test('when nobody reads, what is too much is dropped and counted, and the rest comes later', {
  skip: SKIP,
}, async () => {
  using pipe = openPipe('unread');
  const sink = new LogSink(pipe.fd);
  for (const line of lines) sink.write(line);
  let lost = 0;
  await until('the rest', () => {
    pipe.read();
    lost = sink.takeLost();
    return lost > 0;
  });
  pipe.read();
  const arrived = pipe.text.split('\n').length - 1;
  assert.equal(arrived + lost, lines.length);
  assert.equal(pipe.text, lines.slice(0, arrived).join(''));
  assert.ok(lost > 500, `${lost} lines lost`);
});

test('what waits at the end is written before it is over', { skip: SKIP }, () => {
  using pipe = openPipe('end');
  const sink = new LogSink(pipe.fd);
  sink.write('first\n');
  sink.write('second\n');
  sink.write('third\n');
  sink.close();
  pipe.read();
  // The first is on its way already, which takes until this test has ended.
  assert.ok(pipe.text.endsWith('second\nthird\n'));
});

test('an end with a full pipe is no end of waiting', { skip: SKIP }, () => {
  using pipe = openPipe('full pipe');
  const sink = new LogSink(pipe.fd);
  for (const line of lines) sink.write(line);
  sink.close();
});

test('a full disk and a closed descriptor cost lines, and nothing else', async () => {
  const full = existsSync('/dev/full') ? [openSync('/dev/full', 'w')] : [];
  for (const fd of [NEVER_OPEN, ...full]) {
    const sink = new LogSink(fd);
    for (const line of lines) sink.write(line);
    let lost = 0;
    await until('all lines to be lost', () => {
      lost += sink.takeLost();
      return lost === lines.length;
    });
    sink.write('on its way\n');
    sink.write('waiting\n');
    sink.close();
  }
});
