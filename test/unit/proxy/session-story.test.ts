import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { ProxyError, SqlState } from '../../../src/errors.ts';
import type { LoginPlan } from '../../../src/proxy/policy.ts';
import { SessionStory } from '../../../src/proxy/session-story.ts';

const PLAN: LoginPlan = {
  login: { kind: 'passThrough' },
  protocolVersion: 0x3_0000,
  clientUser: 'someone',
  database: Buffer.from('app'),
  applicationName: '',
  parameters: [],
};

const REFUSED = new ProxyError(SqlState.cannotConnect, 'connection refused');

/** A session under way, and what its observer was told. */
function begin(): { story: SessionStory; told: string[] } {
  const told: string[] = [];
  const story = new SessionStory(1, new Socket(), {
    dialled: (result) => told.push(result),
    loggedIn: () => told.push('logged in'),
    ended: () => {},
    draining: () => {},
  });
  story.planned(PLAN);
  return { story, told };
}

function reach(story: SessionStory): void {
  story.dialled(new TLSSocket(new Socket()), { tcpMs: 1, tlsMs: 1 });
}

test('each dial is counted once: those that are tried again, and the last', () => {
  const { story, told } = begin();
  story.redialled(2);
  story.redialled(3);
  story.failed(REFUSED);
  assert.deepEqual(told, ['failed', 'failed', 'failed']);
});

test('a dial that came to the server did not fail, whatever the server said then', () => {
  const { story, told } = begin();
  reach(story);
  story.redialled(2);
  reach(story);
  story.failed(new ProxyError(SqlState.connectionFailure, 'lost'));
  assert.deepEqual(told, ['ok', 'ok']);
});

test('a login whose client types its own password is no measure of how long logins take', async () => {
  const { story, told } = begin();
  reach(story);
  await story.timed('authentication', Promise.resolve());
  story.loggedIn(PLAN);
  assert.deepEqual(told, ['ok']);
});
