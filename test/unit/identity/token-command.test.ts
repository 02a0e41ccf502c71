import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ProxyError } from '../../../src/errors.ts';
import { TokenCommand } from '../../../src/identity/token-command.ts';
import type { AccessToken } from '../../../src/identity/token-source.ts';
import { jwt, temporaryDirectory } from '../tokens.ts';

const { signal: never } = new AbortController();
const TOKEN = jwt({ exp: 2_000_000_000, upn: 'alice@contoso.com' });

/** Runs a script of this text as the token command. */
async function run(script: string, args = '', signal: AbortSignal = never): Promise<AccessToken> {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'print token.mjs');
  await writeFile(path, script);
  return await new TokenCommand(`"${process.execPath}" '${path}' ${args}`).fetchToken(signal);
}

/** The error of a command that gave no token; nothing of it may hold one. */
async function failureOf(promise: Promise<AccessToken>): Promise<ProxyError> {
  const error: unknown = await promise.then(
    () => assert.fail('gave a token'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ProxyError);
  assert.equal(error.sqlState, '28000');
  assert.ok(!`${error.message} ${error.hint} ${String(error.cause)}`.includes(TOKEN.slice(0, 40)));
  return error;
}

function print(text: string, stream = 'stdout'): string {
  return `process.${stream}.write(${JSON.stringify(text)});`;
}

test('a bare token is taken, without the line end behind it', async () => {
  const token = await run(print(`${TOKEN}\n`));
  assert.equal(token.value, TOKEN);
  assert.equal(token.expiresAt, 2_000_000_000_000);
  assert.equal(token.claims?.upn, 'alice@contoso.com');
});

test('line ends of Windows and a byte order mark around a token do not matter', async () => {
  assert.equal((await run(print(`\uFEFF${TOKEN}\r\n`))).value, TOKEN);
  assert.equal((await run(print(`\uFEFF{\r\n"accessToken": "${TOKEN}"\r\n}\r\n`))).value, TOKEN);
});

test("an older az's JSON, whose only expiry is a local time, leaves it to the token", async () => {
  const json = JSON.stringify({ accessToken: TOKEN, expiresOn: '2001-01-01 00:00:00.000000' });
  assert.equal((await run(print(json))).expiresAt, 2_000_000_000_000);
});

test("az's JSON is taken, with the expiry it names or else the token's own", async () => {
  const json = { accessToken: TOKEN, expiresOn: '2026-01-01 00:00:00', expires_on: 1_999_999_999 };
  const told = await run(print(JSON.stringify(json, undefined, 2)));
  assert.deepEqual([told.value, told.expiresAt], [TOKEN, 1_999_999_999_000]);
  const untold = await run(print(JSON.stringify({ accessToken: TOKEN, expires_on: 'soon' })));
  assert.deepEqual([untold.value, untold.expiresAt], [TOKEN, 2_000_000_000_000]);
});

test('JSON without a token, and what is neither, is refused and never quoted', async () => {
  for (const output of ['', '{}', '{"accessToken":7}', `{"accessToken":"${TOKEN}"`, `{"token":"${TOKEN}"}`]) {
    assert.match((await failureOf(run(print(output)))).message, /gave no usable token: it is empty/);
  }
  const twoLines = await failureOf(run(print(`Welcome!\n${TOKEN}\n`)));
  assert.match(twoLines.message, /gave no usable token: it holds spaces, line breaks/);
});

test('a command that fails is told with its exit status and what it said, without tokens', async () => {
  const script = `${print(TOKEN)} ${print(`please log in; token was ${TOKEN}\n`, 'stderr')} process.exitCode = 3;`;
  const { message, hint } = await failureOf(run(script));
  assert.match(message, /failed \(exit status 3\): please log in; token was \[token\]$/);
  assert.match(hint ?? '', /given to no shell unless it names one/);
});

test('what a failing command said is quoted in part only', async () => {
  const { message } = await failureOf(run(`${print('x'.repeat(5_000), 'stderr')} process.exitCode = 1;`));
  assert.match(message, /exit status 1/);
  assert.ok(message.length < 1_000);
});

test('what a command that succeeds says on standard error does not matter', async () => {
  assert.equal((await run(`${print('warning\n', 'stderr')} ${print(TOKEN)}`)).value, TOKEN);
});

test('a command may say on standard error what it likes, and finds its standard input at its end', async () => {
  const chatter = `process.stderr.write('x'.repeat(3_000_000));`;
  const stdin = `process.stdin.on('end', () => { ${print(TOKEN)} }).resume();`;
  assert.equal((await run(`${chatter} ${stdin}`)).value, TOKEN);
});

test('a command that dies of a signal is told so', async () => {
  const { message } = await failureOf(
    run("process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000);"),
  );
  assert.match(message, /failed \(SIGTERM\)/);
});

test('a command that is not there is told so', async () => {
  const { message } = await failureOf(new TokenCommand('/absent/az account').fetchToken(never));
  assert.equal(message, 'the token command /absent/az failed (ENOENT: there is no such program)');
});

test('a command of white space fails, and does not crash', async () => {
  for (const command of ['', '  ', '""']) {
    assert.match((await failureOf(new TokenCommand(command).fetchToken(never))).message, /failed/);
  }
});

test('a command that prints without end is stopped', async () => {
  const script = "const more = () => process.stdout.write('x'.repeat(65_536), more); more();";
  const { message } = await failureOf(run(script));
  assert.match(message, /failed \(it prints without end\)/);
});

test('no shell sees the command: its quotes group words, and nothing else has a meaning', async () => {
  const args = `'two words' "$HOME" '' ; | > /dev/null $(id) *`;
  const expected = ['two words', '$HOME', '', ';', '|', '>', '/dev/null', '$(id)', '*'];
  const script = `
    const expected = ${JSON.stringify(JSON.stringify(expected))};
    const args = JSON.stringify(process.argv.slice(2));
    if (args === expected) ${print(TOKEN)} else { console.error(args); process.exitCode = 1; }`;
  assert.equal((await run(script, args)).value, TOKEN);
});

const NO_GROUPS = process.platform === 'win32' && 'Windows has no process groups';

test('a shell is used where the command names one', { skip: NO_GROUPS }, async () => {
  const command = `sh -c 'printf "%s.%s" "$0" "$1" | cat' ${TOKEN.replace('.', ' ')}`;
  assert.equal((await new TokenCommand(command).fetchToken(never)).value, TOKEN);
});

/** A connection that a command will make to us: while it is there, so is the command. */
async function expectCommand(t: TestContext) {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connected = once(server, 'connection').then(([connection]: Socket[]) => {
    assert.ok(connection);
    t.after(() => connection.destroy());
    connection.on('error', () => {}).resume();
    return { ended: once(connection, 'close') };
  });
  return { connect: `(await import('node:net')).connect(${port}, '127.0.0.1');`, connected };
}

/** Starts a command, aborts it when it runs, and waits for its end. */
async function abortWhenRunning(t: TestContext, script: (connect: string) => string): Promise<void> {
  const { connect, connected } = await expectCommand(t);
  const controller = new AbortController();
  const running = run(script(connect), '', controller.signal);
  const { ended } = await connected;
  const reason = new Error('too late');
  controller.abort(reason);
  await assert.rejects(running, (error) => error === reason);
  await ended;
}

/** A script that runs another and waits for it, as a shell does. */
function inChild(script: string): string {
  const args = JSON.stringify(['--input-type=module', '-e', script]);
  return `(await import('node:child_process')).spawn(process.execPath, ${args}, { stdio: 'inherit' });`;
}

test('the signal ends the wait with its reason, and the command with it', { timeout: 10_000 }, async (t) => {
  await abortWhenRunning(t, (connect) => connect);
});

test('the signal also ends a command that does not want to end', { timeout: 10_000 }, async (t) => {
  await abortWhenRunning(t, (connect) => `process.on('SIGTERM', () => {}); ${connect}`);
});

test('the signal also ends what the command has started', { timeout: 10_000, skip: NO_GROUPS }, async (t) => {
  await abortWhenRunning(t, inChild);
});

test('what a command that prints without end has started ends with it', {
  timeout: 10_000,
  skip: NO_GROUPS,
}, async (t) => {
  const { connect, connected } = await expectCommand(t);
  const flood = "const more = () => process.stdout.write('x'.repeat(65_536), more); more();";
  const { message } = await failureOf(run(inChild(`${connect} ${flood}`)));
  assert.match(message, /prints without end/);
  await (await connected).ended;
});
