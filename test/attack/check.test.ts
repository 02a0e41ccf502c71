import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { ALL_WELL, type CheckResult, check } from '../support/check.ts';
import { createTestFiles } from '../support/files.ts';
import {
  AUTHENTICATION_OK,
  fatal,
  int32,
  message,
  notice,
  READY,
  report,
  WELCOME,
} from '../support/messages.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { runProgram } from '../support/program.ts';
import { type Script, ScriptedServer } from '../support/scripted-server.ts';
import { createTestToken, TEST_ROLE } from '../support/tokens.ts';

const OBJECT_ID = '77777777-8888-4999-aaaa-bbbbbbbbbbbb';

const files = await createTestFiles();
after(() => files[Symbol.asyncDispose]());
const authority = await createCertificateAuthority('attack tests');
const year = new Date(Date.now() + 365 * 86_400_000);
const { certPem: cert, keyPem: key } = await authority.issue({ dnsNames: [SERVER_NAME], notAfter: year });
const token = createTestToken({ oid: OBJECT_ID });
const upstream = ['--upstream-address', '127.0.0.1', '--ca', await files.write('ca.pem', authority.certPem)];
const identity = ['--credential', 'token-file', '--token-file', await files.write('token', token)];
const fixed = [...upstream, ...identity, '--port', '0'];

/** What is left if the login comes to nothing. */
const REFUSED = { ...ALL_WELL, login: 'failed', role: 'skipped', server: 'skipped' };

async function lookAt(script: Script, ...more: string[]): Promise<CheckResult> {
  await using server = await ScriptedServer.start({ cert, key });
  server.script = script;
  const result = await check(
    [SERVER_NAME, '--upstream-port', String(server.port), ...fixed, ...more],
    [token],
  );
  assert.deepEqual(server.failures, []);
  return result;
}

/** A server that takes the token, and then does this. */
function afterLogin(then: Script): Script {
  return async (connection) => {
    await connection.acceptToken();
    await then(connection);
  };
}

const silence: Script = async (connection) => {
  await connection.acceptStartup();
  await connection.untilGone();
};

/** What Azure answers, and what it comes to. */
const REFUSALS: Readonly<Record<string, { text: string; meaning: RegExp; repair: RegExp }>> = {
  'a wrong audience': {
    text: 'The access token does not have a valid audience claim. Please acquire a new token for the resource "https://ossrdbms-aad.database.windows.net".',
    meaning: /another resource, or for another cloud/,
    repair: /^Check --cloud and --scope\.$/,
  },
  'a role made for a user': {
    text: `Microsoft Entra user token for role "${TEST_ROLE}" is neither an AAD_AUTH_TOKENTYPE_APP_USER or an AAD_AUTH_TOKENTYPE_APP_OBO token.`,
    meaning: /made for a user/,
    repair: new RegExp(
      `\\nselect \\* from pgaadauth_create_principal_with_oid\\('${TEST_ROLE}', '${OBJECT_ID}', 'service', false, false\\);\\nOr log in as another role with --user\\.$`,
    ),
  },
  'a group without the identity': {
    text: 'Microsoft Entra access token not valid for role reporting (does not contain group ID 0)',
    meaning: /stands for a group/,
    repair: /Add the identity to the group/,
  },
  'a firewall': {
    text: `no pg_hba.conf entry for host "10.0.0.9", user "${TEST_ROLE}", database "postgres", SSL encryption`,
    meaning: /firewall/,
    repair: /Networking/,
  },
};

for (const [what, { text, meaning, repair }] of Object.entries(REFUSALS)) {
  test(`the server's refusal for ${what} is told with what it means and what to do`, async () => {
    const result = await lookAt(
      afterLogin(async (connection) => {
        connection.send(fatal('28000', text));
        connection.end();
      }),
    );
    assert.deepEqual(result.statuses, REFUSED);
    assert.equal(result.step('login').summary, `the server says: ${text} (28000)`);
    assert.match(result.facts('login', 'meaning').join(), meaning);
    assert.match(result.repair('login'), repair);
  });
}

/** What a server that may be trusted with the token, but with nothing else, does to a login. */
const LOGINS: Readonly<Record<string, { script: Script; says: RegExp; patience?: true }>> = {
  'says nothing': {
    script: silence,
    says: /did not finish the login within 3 s/,
    patience: true,
  },
  'says nothing after it has taken the token': {
    script: afterLogin((connection) => connection.untilGone()),
    says: /did not finish the login within 3 s/,
    patience: true,
  },
  'never becomes ready': {
    script: afterLogin(async (connection) => {
      connection.send(AUTHENTICATION_OK);
      await connection.untilGone();
    }),
    says: /no answer within 3 s/,
    patience: true,
  },
  'hangs up after it has taken the token': {
    script: afterLogin(async (connection) => connection.end()),
    says: /closed the connection during the login/,
  },
  'hangs up after AuthenticationOk': {
    script: afterLogin(async (connection) => {
      connection.send(AUTHENTICATION_OK);
      connection.end();
    }),
    says: /the server closed the connection$/,
  },
  'speaks no sense': {
    script: afterLogin(async (connection) => connection.send(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'))),
    says: /does not belong into a login/,
  },
  'sends a message of impossible length after AuthenticationOk': {
    script: afterLogin(async (connection) =>
      connection.send(AUTHENTICATION_OK, Buffer.from('S'), int32(0x7f_ff_ff_ff)),
    ),
    says: /impossible length/,
  },
  'sends an error without an end': {
    script: afterLogin(async (connection) => connection.send(AUTHENTICATION_OK, message('E', 'MHello'))),
    says: /invalid error message/,
  },
  'never stops talking': {
    script: afterLogin(async (connection) => {
      connection.send(AUTHENTICATION_OK);
      for (let count = 0; count < 5_000; count += 1) connection.send(notice('and another thing'));
    }),
    says: /says too much/,
  },
};

for (const [what, { script, says, patience }] of Object.entries(LOGINS)) {
  test(`a server that ${what} fails the login, in good time`, async () => {
    // Long enough for all that comes before, on a busy machine too.
    const result = await lookAt(script, ...(patience ? ['--connect-timeout', '3s'] : []));
    assert.deepEqual(result.statuses, REFUSED);
    assert.match(result.step('login').summary, says);
  });
}

/** What it does to the questions after the login. */
const ANSWERS: Readonly<Record<string, { answer: readonly Buffer[]; says: RegExp; status: string }>> = {
  'refuses every question': {
    answer: [report('E', { S: 'ERROR', V: 'ERROR', C: '42501', M: 'not for you' }), READY],
    says: /as PostgreSQL does: not for you \(42501\)$/,
    status: 'warning',
  },
  'answers with nothing': { answer: [READY], says: /does not tell|exists$/, status: '' },
  'answers with another type': {
    answer: [message('D', Buffer.from([0, 1]), int32(2), '17'), READY],
    says: /as PostgreSQL does/,
    status: 'warning',
  },
  'answers with a row that is cut off': {
    answer: [message('D', Buffer.from([0, 2]), int32(99), 'x'), READY],
    says: /makes no sense/,
    status: 'failed',
  },
  'ends the session': {
    answer: [fatal('57P01', 'terminating connection')],
    says: /57P01/,
    status: 'failed',
  },
};

for (const [what, { answer, says, status }] of Object.entries(ANSWERS)) {
  test(`a server that ${what} when asked about itself and the role does no harm`, async () => {
    const result = await lookAt(
      afterLogin(async (connection) => {
        connection.send(WELCOME);
        for (;;) {
          const { type } = await connection.readMessage();
          if (type === 'X') return connection.end();
          connection.send(...answer);
        }
      }),
    );
    assert.equal(result.step('login').status, 'ok');
    assert.match(result.step('role').summary, says);
    if (status !== '') assert.equal(result.step('role').status, status);
  });
}

test('a server that hangs up in the middle of a question fails that step', async () => {
  const result = await lookAt(
    afterLogin(async (connection) => {
      connection.send(WELCOME);
      await connection.readMessage();
      connection.reset();
    }),
  );
  assert.equal(result.step('role').status, 'failed');
  assert.match(result.step('role').summary, /the server closed the connection/);
});

test('a server that tells the token back, in its refusal or in its answers, does not get it printed', async () => {
  const telling = `you said ${token}, and token=${token.split('.')[1]}`;
  const refusal = report('E', { S: 'FATAL', V: 'FATAL', C: '28000', M: telling, D: telling, H: telling });
  for (const answer of [
    // Before it lets anybody in, before it is ready, and at the first question.
    refusal,
    Buffer.concat([AUTHENTICATION_OK, refusal]),
    Buffer.concat([WELCOME, refusal]),
  ]) {
    const result = await lookAt(
      afterLogin(async (connection) => {
        connection.send(answer);
        await connection.untilGone();
      }),
    );
    assert.match(result.stdout, /you said \[token\]/);
  }
});

test('what strangers say cannot take over a terminal', async () => {
  await using server = await ScriptedServer.start({ cert, key });
  server.script = afterLogin(async (connection) => {
    connection.send(fatal('28000', '\u001B[2J\u001B]0;owned\u0007 all is well\r\n✓ login\u2028'));
    connection.end();
  });
  const { stdout, code } = await runProgram(
    ['check', SERVER_NAME, '--upstream-port', String(server.port), ...fixed, '--user', 'x\u001B[31m\n✓ role'],
    { LANG: 'C.UTF-8' },
  );
  assert.equal(code, 1);
  // oxlint-disable-next-line no-control-regex -- there must be none
  assert.doesNotMatch(stdout, /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u2028]/);
  assert.doesNotMatch(stdout, /^✓ (?:login|role)/m);
});
