import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StartError } from '../../../src/errors.ts';
import { assignInherited, takeInheritedSockets } from '../../../src/proxy/inherited.ts';

const PID = 4_711;

test('the sockets that systemd passes are found, and the variables are not for children', () => {
  const env = {
    LISTEN_PID: '4711',
    LISTEN_FDS: '2',
    LISTEN_FDNAMES: 'one:two',
    LISTEN_PIDFDID: '9',
    PATH: 'x',
  };
  assert.deepEqual(takeInheritedSockets(env, PID), [
    { fd: 3, name: 'one' },
    { fd: 4, name: 'two' },
  ]);
  assert.deepEqual(env, { PATH: 'x' });
});

test('sockets for another process, and none at all, are none', () => {
  const env = { LISTEN_PID: '4712', LISTEN_FDS: '2' };
  assert.deepEqual(takeInheritedSockets(env, PID), []);
  assert.deepEqual(env, {});
  assert.deepEqual(takeInheritedSockets({}, PID), []);
  assert.deepEqual(takeInheritedSockets({ LISTEN_FDS: '1' }, PID), []);
  assert.deepEqual(takeInheritedSockets({ LISTEN_PID: '4711', LISTEN_FDS: '0' }, PID), []);
});

test('a number of sockets that is none is told', () => {
  for (const LISTEN_FDS of ['', '-1', 'many', '99999']) {
    assert.throws(() => takeInheritedSockets({ LISTEN_PID: '4711', LISTEN_FDS }, PID), StartError);
  }
});

test('one server takes all sockets; several take those that are named like them', () => {
  const sockets = [
    { fd: 3, name: 'b' },
    { fd: 4, name: 'a.example.com' },
    { fd: 5, name: 'b' },
  ];
  assert.deepEqual(assignInherited(sockets, ['any.example.com']), [sockets]);
  assert.deepEqual(
    assignInherited(sockets, ['a.example.com', 'b.example.com', 'c.example.com']).map((own) =>
      own.map(({ fd }) => fd),
    ),
    [[4], [3, 5], []],
  );
  assert.throws(
    () => assignInherited(sockets, ['a.example.com', 'c.example.com']),
    /socket 3 is named "b".*FileDescriptorName=.*a\.example\.com, c\.example\.com/,
  );
});
