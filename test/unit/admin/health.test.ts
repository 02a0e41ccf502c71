import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readinessReasons, startupReasons } from '../../../src/admin/health.ts';
import { ProxyError, SqlState } from '../../../src/errors.ts';
import { HOST, identityView, serverView, TestView } from '../../support/admin.ts';

const now = Date.now();
const unreachable = new ProxyError(SqlState.cannotConnectNow, 'Entra cannot be reached');

function codes(view: TestView): [startup: string[], readiness: string[]] {
  return [startupReasons(view).map(({ code }) => code), readinessReasons(view, now).map(({ code }) => code)];
}

test('with listeners and a token it has started and is ready', () => {
  assert.deepEqual(codes(new TestView()), [[], []]);
});

test('without all listeners it has not started', () => {
  const view = new TestView();
  view.isListening = false;
  assert.deepEqual(codes(view), [['not-listening'], ['not-listening']]);
});

test('without its first token it has not started, and says what failed', () => {
  const view = new TestView();
  view.identityViews = [identityView({ tokenExpiresAt: undefined, failure: unreachable })];
  assert.deepEqual(codes(view), [['no-first-token'], ['no-first-token']]);
  const message = 'no token yet: 57P03 Entra cannot be reached';
  assert.deepEqual(startupReasons(view), [{ code: 'no-first-token', server: HOST, message }]);
});

test('when the token has expired it is not ready, but has started all the same', () => {
  const view = new TestView();
  view.identityViews = [identityView({ tokenExpiresAt: now, failure: unreachable })];
  assert.deepEqual(codes(view), [[], ['no-usable-token']]);
  view.identityViews = [identityView({ tokenExpiresAt: now + 1, failure: unreachable })];
  assert.deepEqual(codes(view), [[], []]);
});

test('a draining program, or server, and one at its cap are not ready', () => {
  const view = new TestView();
  view.isDraining = true;
  assert.deepEqual(codes(view), [[], ['draining']]);
  view.isDraining = false;
  view.serverViews = [serverView(), serverView({ isDraining: true })];
  assert.deepEqual(codes(view), [[], ['draining']]);
  view.serverViews = [serverView(), serverView({ sessionCount: 10 })];
  assert.deepEqual(codes(view), [[], ['session-cap']]);
  view.serverViews = [serverView(), serverView({ sessionCount: 9 })];
  assert.deepEqual(codes(view), [[], []]);
});

test('a server that the configuration no longer names is nobody’s concern', () => {
  const view = new TestView();
  view.serverViews = [serverView(), serverView({ isRemoved: true, isDraining: true, sessionCount: 10 })];
  assert.deepEqual(codes(view), [[], []]);
});

test('an identity for one client user takes nobody else out of service', () => {
  const view = new TestView();
  const [main] = serverView().logins;
  assert.ok(main);
  const logins = [main, { clientUser: 'report', role: undefined, identity: 'report' }];
  view.serverViews = [serverView({ logins })];
  view.identityViews = [
    identityView(),
    identityView({ name: 'report', tokenExpiresAt: undefined, failure: unreachable }),
  ];
  assert.deepEqual(codes(view), [[], []]);
  view.serverViews = [serverView({ logins: logins.toReversed() })];
  assert.deepEqual(codes(view), [['no-first-token'], ['no-first-token']]);
});

test('of a failure that is not meant for others, nothing is told', () => {
  const view = new TestView();
  view.identityViews = [identityView({ tokenExpiresAt: undefined, failure: new Error('secret=hunter2') })];
  assert.doesNotMatch(JSON.stringify(startupReasons(view)), /hunter2/);
});
