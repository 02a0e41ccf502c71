import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Availability } from '../../../src/upstream/availability.ts';

const CONNECT_TIMEOUT_MS = 30_000;

function withClock() {
  const clock = { now: 1_000 };
  return { clock, availability: new Availability(() => clock.now) };
}

test('a server that nobody has reached is waited for briefly, a name that never resolved not at all', () => {
  const { availability } = withClock();
  availability.fails();
  assert.equal(availability.patienceMs('outage', CONNECT_TIMEOUT_MS), 2_000);
  assert.equal(availability.patienceMs('name', CONNECT_TIMEOUT_MS), 0);
  assert.equal(availability.patienceMs('outage', 500), 500);
});

test('a server that has been there is waited for as long as the connect timeout says', () => {
  const { availability, clock } = withClock();
  availability.reached();
  availability.fails();
  clock.now += 300_000;
  assert.equal(availability.patienceMs('outage', CONNECT_TIMEOUT_MS), CONNECT_TIMEOUT_MS);
  assert.equal(availability.patienceMs('name', CONNECT_TIMEOUT_MS), CONNECT_TIMEOUT_MS);
});

test('a server that stays away is waited for briefly after five minutes, until it has served again', () => {
  const { availability, clock } = withClock();
  availability.reached();
  availability.fails();
  clock.now += 300_001;
  assert.equal(availability.patienceMs('outage', CONNECT_TIMEOUT_MS), 2_000);
  availability.reached();
  assert.equal(availability.patienceMs('outage', CONNECT_TIMEOUT_MS), 2_000);
  availability.serves();
  assert.equal(availability.patienceMs('outage', CONNECT_TIMEOUT_MS), CONNECT_TIMEOUT_MS);
});

test('an outage begins with its first failure and ends with the first login that tells; both are news once', () => {
  const { availability, clock } = withClock();
  assert.equal(availability.serves(), undefined);
  assert.equal(availability.fails(), true);
  clock.now += 700;
  assert.equal(availability.fails(), false);
  assert.equal(availability.awaySince, 1_000);
  clock.now += 300;
  assert.equal(availability.serves(), 1_000);
  assert.equal(availability.serves(), undefined);
  assert.equal(availability.fails(), true);
});
