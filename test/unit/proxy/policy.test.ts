import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProxyError } from '../../../src/errors.ts';
import { Identity } from '../../../src/identity/identity.ts';
import { TokenCache } from '../../../src/identity/token-cache.ts';
import {
  decodeStartupPacket,
  type StartupMessage,
  type StartupParameter,
} from '../../../src/protocol/startup.ts';
import { type ClientLogin, encodePlan, type Policy, planLogin } from '../../../src/proxy/policy.ts';
import { TestTokenSource } from '../../support/tokens.ts';
import { bytesWithoutZero } from '../bytes.ts';

const ROLE = 'alice@contoso.com';

const TOKENS = new TokenCache(new TestTokenSource('a token'), { fetchTimeoutMs: 1_000 });
const LOGIN: ClientLogin = { kind: 'identity', identity: new Identity(TOKENS, ROLE) };

function startup(...parameters: [name: string, value: string | Buffer][]): StartupMessage {
  return {
    kind: 'startup',
    protocolVersion: 0x3_0002,
    parameters: parameters.map(([name, value]) => ({ name, value: Buffer.from(value) })),
  };
}

/** What the server gets to see of a client's startup. */
function rewrite(message: StartupMessage, database?: string, role = ROLE): StartupMessage {
  const packet = encodePlan(planLogin(message, { login: LOGIN, database }), role);
  const decoded = decodeStartupPacket(packet.subarray(4));
  assert.ok(decoded.kind === 'startup');
  return decoded;
}

function pairs({ parameters }: StartupMessage): string[][] {
  return parameters.map(({ name, value }) => [name, value.toString()]);
}

test('the role takes the place of the user, and every duplicate is dropped', () => {
  const message = startup(['user', 'postgres'], ['database', 'app'], ['user', 'root'], ['user', '']);
  assert.deepEqual(pairs(rewrite(message)), [
    ['user', ROLE],
    ['database', 'app'],
  ]);
});

test('a client that names no database gets the one the server would have given it: named like its user', () => {
  assert.deepEqual(pairs(rewrite(startup(['user', 'app']))), [
    ['user', ROLE],
    ['database', 'app'],
  ]);
});

test('the last of several databases and users counts, as in the server', () => {
  const message = startup(['user', 'a'], ['database', 'first'], ['user', 'b'], ['database', 'last']);
  assert.deepEqual(pairs(rewrite(message))[1], ['database', 'last']);
  const { clientUser } = planLogin(message, { login: LOGIN });
  assert.equal(clientUser, 'b');
  assert.deepEqual(pairs(rewrite(startup(['user', 'a'], ['user', 'b'])))[1], ['database', 'b']);
});

test('an empty database counts as none, also behind another', () => {
  assert.deepEqual(pairs(rewrite(startup(['user', 'a'], ['database', ''])))[1], ['database', 'a']);
  const emptyLast = startup(['user', 'a'], ['database', 'd'], ['database', '']);
  assert.deepEqual(pairs(rewrite(emptyLast))[1], ['database', 'a']);
  assert.deepEqual(pairs(rewrite(emptyLast, 'configured'))[1], ['database', 'configured']);
});

test('the configured database is for clients that name none', () => {
  assert.deepEqual(pairs(rewrite(startup(['user', 'a']), 'configured'))[1], ['database', 'configured']);
  assert.deepEqual(pairs(rewrite(startup(), 'configured'))[1], ['database', 'configured']);
  const named = startup(['user', 'a'], ['database', 'own']);
  assert.deepEqual(pairs(rewrite(named, 'configured'))[1], ['database', 'own']);
});

test('a client that names neither database nor user is refused with 28000 and a hint', () => {
  for (const message of [startup(), startup(['user', '']), startup(['user', 'a'], ['user', ''])]) {
    assert.throws(() => planLogin(message, { login: LOGIN }), {
      name: 'ProxyError',
      sqlState: '28000',
      hint: /--database/,
    });
  }
});

test('all other parameters go through untouched and in order', () => {
  const others = fc.array(
    fc.tuple(
      fc.constantFrom('application_name', 'options', 'replication', '_pq_.x', 'User', 'DATABASE', 'users'),
      bytesWithoutZero({ maxLength: 30 }),
    ),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(others, fc.nat(8), fc.nat(8), (parameters, userAt, databaseAt) => {
      const all: [string, string | Buffer][] = [...parameters];
      all.splice(userAt, 0, ['user', 'client']);
      all.splice(databaseAt, 0, ['database', 'db']);
      const sent = rewrite(startup(...all));
      assert.equal(sent.protocolVersion, 0x3_0002);
      const expected: StartupParameter[] = parameters.map(([name, value]) => ({ name, value }));
      assert.deepEqual(sent.parameters.slice(2), expected);
      assert.equal(sent.parameters.filter(({ name }) => name === 'user').length, 1);
      assert.equal(sent.parameters.filter(({ name }) => name === 'database').length, 1);
    }),
  );
});

test('a database that is not UTF-8 keeps its bytes, named or taken from the user', () => {
  const latin1 = Buffer.from('gr\u00fc\u00df', 'latin1');
  assert.deepEqual(rewrite(startup(['user', 'a'], ['database', latin1])).parameters[1]?.value, latin1);
  assert.deepEqual(rewrite(startup(['user', latin1])).parameters[1]?.value, latin1);
});

test('the plan names the client and its application for the log', () => {
  const message = startup(['user', 'reporting'], ['application_name', 'x'], ['application_name', 'metabase']);
  const plan = planLogin(message, { login: LOGIN });
  assert.equal(plan.clientUser, 'reporting');
  assert.equal(plan.applicationName, 'metabase');
  const bare = planLogin(startup(['database', 'd']), { login: LOGIN });
  assert.deepEqual([bare.clientUser, bare.applicationName], ['', '']);
});

test('a role that makes the packet too long, or breaks it, is refused with 08P01', () => {
  const plan = planLogin(startup(['user', 'a']), { login: LOGIN });
  const overhead = encodePlan(plan, '').length;
  assert.equal(encodePlan(plan, 'x'.repeat(10_004 - overhead)).length, 10_004);
  const violation = { name: 'ProxyError', sqlState: '08P01' };
  assert.throws(() => encodePlan(plan, 'x'.repeat(10_005 - overhead)), violation);
  assert.throws(() => encodePlan(plan, 'x\0database\0y'), violation);
});

test('a client user that is named logs in as the configuration says, the others as all do', () => {
  const legacy: ClientLogin = { kind: 'passThrough' };
  const policy = { login: LOGIN, clientUsers: new Map([['legacy', legacy]]), options: '--jwt=true' };
  assert.equal(planLogin(startup(['user', 'legacy']), policy).login, legacy);
  for (const user of ['Legacy', 'legacy ', 'other', '__proto__']) {
    assert.equal(planLogin(startup(['user', user]), policy).login, LOGIN, user);
  }
  assert.equal(planLogin(startup(['database', 'd']), policy).login, LOGIN);
});

test('options that announce a token are not added for a client that brings its own password', () => {
  const clientUsers = new Map([['legacy', { kind: 'passThrough' } as const]]);
  const policy = { login: LOGIN, clientUsers, options: '--jwt=true' };
  const plan = planLogin(startup(['user', 'legacy'], ['options', '-c a=b']), policy);
  assert.deepEqual(
    plan.parameters.map(({ name, value }) => [name, value.toString()]),
    [['options', '-c a=b']],
  );
});

/** How planLogin refuses a client, or undefined if it does not. */
function refusal(message: StartupMessage, policy: Partial<Policy>): string | undefined {
  try {
    planLogin(message, { login: LOGIN, ...policy });
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ProxyError);
    assert.equal(error.sqlState, '28000');
    return `${error.message} ${error.hint}`;
  }
}

test('only the users that are allowed get in, whoever else comes', () => {
  const policy = { allowedUsers: new Set(['app']) };
  assert.equal(refusal(startup(['user', 'app']), policy), undefined);
  for (const user of ['App', 'app2', '']) {
    const message = startup(['user', user], ['database', 'd']);
    assert.match(refusal(message, policy) ?? '', /user ".*" may not connect.*--allow-users/, user);
  }
  assert.match(refusal(startup(['database', 'd']), policy) ?? '', /--allow-users/);
  // The last one counts, here as in the server.
  assert.match(refusal(startup(['user', 'app'], ['user', 'root']), policy) ?? '', /user "root"/);
});

test('only the databases that are allowed are connected to, however they are named', () => {
  const policy = { allowedDatabases: new Set(['app']) };
  assert.equal(refusal(startup(['user', 'x'], ['database', 'app']), policy), undefined);
  assert.equal(refusal(startup(['user', 'app']), policy), undefined);
  assert.equal(refusal(startup(['user', 'x']), { ...policy, database: 'app' }), undefined);
  for (const message of [
    startup(['user', 'x']),
    startup(['user', 'x'], ['database', 'App']),
    startup(['user', 'x'], ['database', 'app'], ['database', 'postgres']),
    startup(['user', 'postgres'], ['database', '']),
  ]) {
    assert.match(refusal(message, policy) ?? '', /database ".*" may not be connected to.*--allow-databases/);
  }
});

test('replication is refused in all its forms, and nothing else is', () => {
  const policy = { refusesReplication: true };
  const asking = (value: string): StartupMessage => startup(['user', 'x'], ['replication', value]);
  for (const value of ['true', 'on', 'yes', '1', 'database', 't', 'DATABASE', 'nonsense', ' true']) {
    assert.match(refusal(asking(value), policy) ?? '', /replication is refused.*--refuse-replication/, value);
    assert.equal(refusal(asking(value), {}), undefined, value);
  }
  for (const value of ['false', 'off', 'no', '0', 'f', 'of', 'n', 'FALSE', '']) {
    assert.equal(refusal(asking(value), policy), undefined, value);
  }
});

test('physical replication, which is of all databases, is a database of its own to allow', () => {
  const asking = (value: string): StartupMessage =>
    startup(['user', 'x'], ['database', 'app'], ['replication', value]);
  const policy = { allowedDatabases: new Set(['app']) };
  assert.match(refusal(asking('true'), policy) ?? '', /database "replication"/);
  assert.equal(refusal(asking('database'), policy), undefined);
  assert.equal(refusal(asking('true'), { allowedDatabases: new Set(['replication']) }), undefined);
});
