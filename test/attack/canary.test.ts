import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { attackArguments, startAttack } from '../support/after-attack.ts';
import { assertKept } from '../support/canary.ts';
import { createTestFiles } from '../support/files.ts';
import {
  AUTHENTICATION_OK,
  authentication,
  fatal,
  int32,
  message,
  packet,
  STARTUP,
  WELCOME,
} from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
import { startListening } from '../support/running-program.ts';
import { type Script, type ScriptedServer, welcome } from '../support/scripted-server.ts';
import { createTestToken, TEST_ROLE } from '../support/tokens.ts';

const CANARIES: Readonly<Record<string, () => string>> = {
  'a JWT': () => createTestToken(),
  'an opaque token': () => randomBytes(300).toString('base64url'),
};

/** What servers do to get at a token, or to make the proxy talk about it. */
const SCRIPTS: Readonly<Record<string, Script>> = {
  success: welcome,
  'TLS is refused': async (connection) => {
    await connection.readSslRequest();
    connection.send(Buffer.from('N'));
  },
  'plaintext behind S': async (connection) => {
    await connection.readSslRequest();
    connection.send(Buffer.from('S'), AUTHENTICATION_OK);
  },
  'no handshake': async (connection) => {
    await connection.readSslRequest();
    connection.destroy();
  },
  trust: async (connection) => {
    await connection.acceptStartup();
    connection.send(WELCOME);
    await connection.serve();
  },
  MD5: async (connection) => {
    await connection.acceptStartup();
    connection.send(authentication(5, 'salt'));
  },
  'a stale token': async (connection) => {
    await connection.acceptToken();
    connection.send(fatal('28000', 'The access token has expired. Acquire a new token and retry.'));
    connection.end();
  },
  'a wrong password': async (connection) => {
    await connection.acceptToken();
    connection.send(fatal('28P01', 'password authentication failed'));
    connection.end();
  },
  'a second request for the token': async (connection) => {
    await connection.acceptToken();
    connection.send(authentication(3));
  },
  'nonsense after the token': async (connection) => {
    await connection.acceptToken();
    connection.send(message('?', 'what'));
  },
  'a close after the token': async (connection) => {
    await connection.acceptToken();
    connection.end();
  },
  'a reset after the token': async (connection) => {
    await connection.acceptToken();
    connection.reset();
  },
  'a close after the login': async (connection) => {
    await connection.acceptToken();
    await connection.flush(WELCOME);
    connection.destroy();
  },
};

const CLIENTS: readonly (Buffer | string)[] = [
  'GET / HTTP/1.1\r\n\r\n',
  Buffer.of(0x16, 3, 1, 0, 4, 1, 2, 3, 4),
  randomBytes(100),
  packet(int32(0x00_02_00_00)),
  packet(int32(80_877_102), int32(1), int32(2)),
  packet(int32(0x00_03_00_00), 'database\0\0'),
];

/** Everything that clients get to hear of all of the above. */
async function provoke(server: ScriptedServer, port: number): Promise<string> {
  let heard = '';
  const end = async (client: RawClient): Promise<void> => {
    const bytes = await client.end();
    heard += bytes.toString('latin1');
  };
  for (const script of Object.values(SCRIPTS)) {
    server.script = script;
    const client = new RawClient(port).send(STARTUP);
    // oxlint-disable-next-line no-await-in-loop -- one after the other: the server has one script at a time
    await client.hear(1);
    client.send(message('Q', 'select 1\0'), message('X'));
    // oxlint-disable-next-line no-await-in-loop -- as above
    await end(client);
  }
  server.script = welcome;
  await Promise.all(CLIENTS.map((bytes) => end(new RawClient(port).send(bytes))));
  const goodTls = server.tls;
  const impostor = await (await createCertificateAuthority('impostor')).issue({ dnsNames: ['x.example'] });
  server.tls = { cert: impostor.certPem, key: impostor.keyPem };
  await end(new RawClient(port).send(STARTUP));
  server.tls = goodTls;
  return heard;
}

for (const [kind, create] of Object.entries(CANARIES)) {
  test(`${kind} is in no log line and no answer to a client, whatever goes wrong`, async () => {
    const token = create();
    await using attack = await startAttack({ token, role: TEST_ROLE });
    const heard = await provoke(attack.server, attack.proxy.port);
    await attack.proxy.idle();
    assert.ok(attack.server.passwords.includes(token), 'the token was never in play');
    assertKept(token, heard, 'what clients hear');
    assertKept(token, attack.proxy.log.text, 'the log');
    await attack.assertUnharmed();
  });

  test(`${kind} is in no output of the program at its most talkative, whatever goes wrong`, async () => {
    const token = create();
    await using attack = await startAttack({ token });
    await using files = await createTestFiles();
    const args = await attackArguments(attack, files);
    // A server that hangs up is waited for as long as that.
    const patience = ['--connect-timeout', '1s'];
    const flags = ['--user', TEST_ROLE, '--log-level', 'trace', ...patience];
    await using program = await startListening([...args, ...flags]);
    const heard = await provoke(attack.server, program.port);
    program.child.kill('SIGTERM');
    assert.deepEqual(await program.exit, { code: 0, signal: null });
    assert.ok(attack.server.passwords.includes(token), 'the token was never in play');
    assertKept(token, heard, 'what clients hear');
    assertKept(token, program.stdout + program.stderr, 'the output');
  });

  for (const [how, lines] of Object.entries({
    'fails with it in its error output': (path: string) => `cat ${path} >&2; exit 1`,
    'fails with it in the middle of a sentence': (path: string) =>
      `echo "cannot use token=$(cat ${path}), sorry" >&2; exit 1`,
    'fails with it on its output': (path: string) => `cat ${path}; exit 1`,
    'prints it twice': (path: string) => `cat ${path}; echo; cat ${path}`,
    'prints it in broken JSON': (path: string) => `echo '{"accessToken":"'"$(cat ${path})"'"'`,
    'prints it in JSON under another name': (path: string) => `echo '{"token":"'"$(cat ${path})"'"}'`,
    'prints it and something behind it': (path: string) => `cat ${path}; echo ' bye'`,
  })) {
    test(`${kind} stays secret when a token command ${how}`, async () => {
      const token = create();
      await using attack = await startAttack({ token });
      await using files = await createTestFiles();
      const [run = '', name = '', ...upstream] = (await attackArguments(attack, files)).slice(0, -4);
      const script = await files.write('token.sh', lines(await files.write('token', token)));
      const identity = ['--credential', 'token-command', '--token-command', `sh ${script}`];
      const args = [run, name, ...upstream, ...identity, '--user', TEST_ROLE, '--log-level', 'trace'];
      await using program = await startListening(args);
      const heard = await new RawClient(program.port).send(STARTUP).end();
      assert.match(heard.toString('latin1'), /^E[^]*C28000\0/);
      await program.find('token-failed');
      program.child.kill('SIGTERM');
      await program.exit;
      assertKept(token, heard.toString('latin1'), 'what clients hear');
      assertKept(token, program.stdout + program.stderr, 'the output');
    });
  }

  test(`${kind} stays secret when a token file holds more than it`, async () => {
    const token = create();
    await using attack = await startAttack({ token });
    await using files = await createTestFiles();
    const args = await attackArguments(attack, files);
    await files.write('token', `${token}\n${token}\n`);
    // A server that hangs up is waited for as long as that.
    const patience = ['--connect-timeout', '1s'];
    const flags = ['--user', TEST_ROLE, '--log-level', 'trace', ...patience];
    await using program = await startListening([...args, ...flags]);
    const heard = await new RawClient(program.port).send(STARTUP).end();
    assert.match(heard.toString('latin1'), /^E[^]*C28000\0/);
    await program.find('token-failed');
    program.child.kill('SIGTERM');
    await program.exit;
    assertKept(token, heard.toString('latin1'), 'what clients hear');
    assertKept(token, program.stdout + program.stderr, 'the output');
  });
}
