import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { ProxyError, SqlState } from '../../../src/errors.ts';
import { DefaultChain } from '../../../src/identity/default-chain.ts';
import { type AccessToken, createAccessToken } from '../../../src/identity/token-source.ts';

const { signal } = new AbortController();
const VARIABLE = 'AZURE_TOKEN_CREDENTIALS';

let before: string | undefined;
beforeEach(() => {
  before = process.env[VARIABLE];
  delete process.env[VARIABLE];
});
afterEach(() => {
  if (before === undefined) delete process.env[VARIABLE];
  else process.env[VARIABLE] = before;
});

/** As @azure/identity says that a credential is not set up on this machine. */
function unavailable(name: string, reason: string): ProxyError {
  const cause = new Error(reason);
  cause.name = 'CredentialUnavailableError';
  return new ProxyError(SqlState.invalidAuthorization, `no token from the credential "${name}": ${reason}`, {
    cause,
  });
}

type Answer = AccessToken | Error;

/** A chain whose members answer what the test says, all others being unavailable. */
function createChain(answers: Record<string, Answer>) {
  const asked: string[] = [];
  const chosen: string[] = [];
  const chain = new DefaultChain(
    (name) => ({
      name,
      fetchToken: async () => {
        asked.push(name);
        const answer = answers[name] ?? unavailable(name, `${name} is not here. Go away.`);
        if (answer instanceof Error) throw answer;
        return answer;
      },
      fetchManagementClaims: async () => {
        asked.push(`${name}, for management`);
        return { upn: name };
      },
    }),
    (winner, passedOver) => {
      chosen.push([winner, ...passedOver.map(({ name, reason }) => `${name}: ${reason}`)].join(' | '));
    },
  );
  return { chain, asked, chosen, answers };
}

function token(value: string): AccessToken {
  return createAccessToken(value, 'the test', { now: Date.now() });
}

test('the first credential that works is told with the ones passed over, and then used directly', async () => {
  const { chain, asked, chosen } = createChain({ 'azure-cli': token('t') });
  assert.equal(chain.name, 'default');
  assert.equal((await chain.fetchToken(signal)).value, 't');
  assert.deepEqual(asked, ['environment', 'workload-identity', 'managed-identity', 'azure-cli']);
  assert.equal(chain.name, 'default: azure-cli');
  await chain.fetchToken(signal);
  assert.deepEqual(asked.slice(4), ['azure-cli']);
  const reasons = ['environment', 'workload-identity', 'managed-identity'].map(
    (name) => `${name}: ${name} is not here`,
  );
  assert.deepEqual(chosen, [['azure-cli', ...reasons].join(' | ')]);
});

test('a credential that is set up and fails ends the walk: it is what the user meant', async () => {
  const wrong = new ProxyError(
    SqlState.invalidAuthorization,
    'AADSTS7000215: Invalid client secret provided.',
    {
      cause: new Error('AADSTS7000215'),
    },
  );
  const { chain, asked, chosen } = createChain({ environment: wrong, 'azure-cli': token('t') });
  await assert.rejects(chain.fetchToken(signal), (error) => error === wrong);
  assert.deepEqual(asked, ['environment']);
  assert.deepEqual(chosen, []);
});

test('when the one that worked is gone, the others are tried again; when it only fails, they are not', async () => {
  const { chain, answers, asked } = createChain({ 'azure-cli': token('t') });
  await chain.fetchToken(signal);
  answers['azure-cli'] = new ProxyError(SqlState.cannotConnectNow, 'no network');
  await assert.rejects(chain.fetchToken(signal), /no network/);
  assert.equal(chain.name, 'default: azure-cli');
  answers['azure-cli'] = unavailable('azure-cli', 'logged out');
  answers['azure-developer-cli'] = token('other');
  assert.equal((await chain.fetchToken(signal)).value, 'other');
  assert.equal(chain.name, 'default: azure-developer-cli');
  assert.equal(asked.filter((name) => name === 'environment').length, 2);
});

test('a name is asked of the one that worked and of no other; before that, of nobody', async () => {
  const { chain, asked } = createChain({ environment: token('t') });
  assert.equal(await chain.fetchManagementClaims(signal), undefined);
  await chain.fetchToken(signal);
  assert.deepEqual(await chain.fetchManagementClaims(signal), { upn: 'environment' });
  assert.deepEqual(asked, ['environment', 'environment, for management']);
});

test('when none works, all are named with their reasons', async () => {
  const { chain } = createChain({});
  await assert.rejects(chain.fetchToken(signal), {
    sqlState: '28000',
    message:
      /environment \(environment is not here\), .*azure-developer-cli \(azure-developer-cli is not here\)$/,
    hint: /az login/,
  });
});

test('AZURE_TOKEN_CREDENTIALS picks a group or one, and anything else is refused', async () => {
  for (const [value, expected] of [
    ['prod', ['environment', 'workload-identity', 'managed-identity']],
    ['dev', ['azure-cli', 'azure-powershell', 'azure-developer-cli']],
    ['AzureCliCredential', ['azure-cli']],
    ['managedidentitycredential', ['managed-identity']],
  ] as const) {
    process.env[VARIABLE] = value;
    const { chain, asked } = createChain({});
    await assert.rejects(chain.fetchToken(signal), { sqlState: '28000' });
    assert.deepEqual(asked, expected);
  }
  process.env[VARIABLE] = 'SomethingElse';
  const { chain, asked } = createChain({});
  await assert.rejects(chain.fetchToken(signal), {
    message: /AZURE_TOKEN_CREDENTIALS/,
    hint: /EnvironmentCredential/,
  });
  assert.deepEqual(asked, []);
});

test('a winner that cannot be reached now is not gone: nobody else is asked', async () => {
  const outage = new ProxyError(SqlState.cannotConnectNow, 'no answer', {
    cause: unavailable('x', 'y').cause,
  });
  const { chain, asked, answers } = createChain({ 'managed-identity': token('a'), 'azure-cli': token('b') });
  await chain.fetchToken(signal);
  answers['managed-identity'] = outage;
  asked.length = 0;
  await assert.rejects(chain.fetchToken(signal), outage);
  answers['managed-identity'] = token('c');
  assert.equal((await chain.fetchToken(signal)).value, 'c');
  assert.deepEqual(asked, ['managed-identity', 'managed-identity']);
});
