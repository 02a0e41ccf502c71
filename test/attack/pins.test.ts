import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { stringify } from 'yaml';
import { pinOf } from '../../src/upstream/pins.ts';
import { type Chain, certify, createChain, createSigner, keyPemOf } from '../support/certificate-chain.ts';
import { createTestFiles, type TestFiles } from '../support/files.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { type Program, runProgram, startProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { startListening } from '../support/running-program.ts';
import { ScriptedServer } from '../support/scripted-server.ts';
import { createTestToken } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const WRONG = `sha256/${'A'.repeat(43)}=`;

let chain: Chain;
let server: ScriptedServer;
let files: TestFiles;
let flags: readonly string[];

before(async () => {
  chain = await createChain(SERVER_NAME);
  files = await createTestFiles();
  server = await ScriptedServer.start({});
  send(chain.serverPem, chain.intermediatePem);
  const ca = await files.write('root.pem', chain.rootPem);
  const token = await files.write('token', createTestToken());
  flags = ['--upstream-address', '127.0.0.1', '--upstream-port', String(server.port), '--ca', ca]
    .concat(['--server-name', SERVER_NAME, '--credential', 'token-file', '--token-file', token])
    .concat(['--log-level', 'debug']);
});
after(async () => {
  await server[Symbol.asyncDispose]();
  await files[Symbol.asyncDispose]();
});

/** What the server sends from now on, its own certificate first. */
function send(...pems: readonly string[]): void {
  server.tls = { cert: pems.join(''), key: keyPemOf(chain.server) };
}

function pin(pem: string): string {
  return pinOf(new X509Certificate(pem));
}

async function letsIn(port: number): Promise<void> {
  await using connection = await connectPg(port);
  await connection.client.query('select 1');
}

/** @returns the HINT of a refusal before a byte of ours was sent to the server. */
async function refuses(port: number): Promise<string> {
  const known = server.connections.length;
  const error = await refusedLogin(port);
  assert.equal(error.code, '08001');
  assert.equal(error.message, "no key in the chain of the server's certificate is one that --pin names");
  await until('the connection to be closed', () => server.openCount === 0);
  for (const { heard, passwords } of server.connections.slice(known)) {
    // SSLRequest, and nothing within TLS.
    assert.deepEqual([heard.subarray(8).length, passwords], [0, []]);
  }
  assert.ok(server.connections.length > known);
  return error.hint ?? '';
}

test('a pin may name the key of the server, of an intermediate, or of a root that is not sent', async () => {
  const { rootPem, intermediatePem, serverPem } = chain;
  const pins = {
    own: [pin(serverPem)],
    intermediate: [pin(intermediatePem)],
    root: [pin(rootPem)],
    second: [WRONG, pin(rootPem)],
    wrong: [WRONG],
  };
  const servers = Object.entries(pins).map(([name, list]) => ({
    server: `${name}.example`,
    port: 0,
    pin: list,
  }));
  const config = await files.write('pins.yaml', stringify({ servers }));
  await using program = startProgram(['--config', config, ...flags]);
  const ports = await portsByServer(program, servers.length);
  await refuses(ports.get('wrong.example') ?? 0);
  for (const name of ['own', 'intermediate', 'root', 'second'])
    await letsIn(ports.get(`${name}.example`) ?? 0);
});

test('what does not fit is refused before the login, with what the chain has, and the log has it too', async () => {
  const { rootPem, intermediatePem, serverPem } = chain;
  await using program = await startListening([SERVER_NAME, ...flags, '--pin', WRONG]);
  const hint = await refuses(program.port);
  const told = [`${SERVER_NAME} (${pin(serverPem)})`, `Intermediate (${pin(intermediatePem)})`]
    .concat(`Root (${pin(rootPem)})`)
    .join('; ');
  assert.ok(hint.startsWith(`The chain is: ${told}. `), hint);
  assert.match(hint, /change --pin.*something on the way is intercepting TLS\.$/);
  const session = await program.find('session');
  assert.ok(JSON.stringify(session).includes(told), JSON.stringify(session));
});

test('a certificate with the pinned key that has signed nothing is sent in vain', async () => {
  const attacker = await createSigner('Attacker');
  const { keys } = await createSigner('Pinned');
  const root = await certify({ name: 'Root', keys }, attacker, {}, 'Root');
  const intermediate = await certify({ name: 'Intermediate', keys }, attacker, {}, 'Root');
  await using program = await startListening([SERVER_NAME, ...flags, '--pin', pin(root)]);
  try {
    send(chain.serverPem, chain.intermediatePem, root, intermediate);
    assert.ok(!(await refuses(program.port)).includes(pin(root)));
    send(chain.serverPem, chain.intermediatePem, chain.rootPem, root);
    await refuses(program.port);
  } finally {
    send(chain.serverPem, chain.intermediatePem);
  }
});

test('a pin does not take the place of verification', async () => {
  const stranger = await createChain(SERVER_NAME);
  const ca = await files.write('stranger.pem', stranger.rootPem);
  const args = flags.map((flag, index) => (flags[index - 1] === '--ca' ? ca : flag));
  await using program = await startListening([SERVER_NAME, ...args, '--pin', pin(chain.serverPem)]);
  const { code, message } = await refusedLogin(program.port);
  assert.equal(code, '08001');
  assert.match(message, /does not come from a trusted root|TLS with the server failed/);
});

test('--pin is given more than once, and in the environment with commas', async () => {
  const right = pin(chain.rootPem);
  await using program = await startListening([SERVER_NAME, ...flags, '--pin', WRONG, '--pin', right]);
  await letsIn(program.port);
  const printed = await runProgram([SERVER_NAME, '--print-config'], { PGEP_PIN: `${WRONG},${right}` });
  assert.ok(printed.stdout.includes(`    pin: [${WRONG}, ${right}] # PGEP_PIN\n`), printed.stdout);
});

test('SIGHUP takes changed pins over, also where connections are kept warm', async () => {
  const config = await files.write('changing.yaml', stringify({ pin: WRONG }));
  await using program = await startListening([SERVER_NAME, ...flags, '--config', config]);
  const reload = async (pins: readonly string[]): Promise<void> => {
    const count = (): number => program.stderr.split('"event":"reloaded"').length;
    const known = count();
    await writeFile(config, stringify({ pin: pins }));
    program.child.kill('SIGHUP');
    await until('the configuration to be read again', () => count() > known);
  };
  await refuses(program.port);
  await reload([pin(chain.intermediatePem)]);
  for (let logins = 0; logins < 3; logins += 1) await letsIn(program.port);
  await reload([WRONG]);
  await refuses(program.port);
});

test('what is no pin ends the program with 2, and a line that computes one', async () => {
  const { code, stderr } = await runProgram([SERVER_NAME, '--pin', 'sha256/abc', '--pin', WRONG]);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /--pin takes sha256\/ and the base64 of .*, not "sha256\/abc"\. It is printed.*by: openssl/,
  );
  const query = await runProgram([`${SERVER_NAME}?pin=${WRONG.replace('A', '+')}`, '--check-config']);
  assert.equal(query.code, 2);
  assert.match(query.stderr, /pin takes .*write %2B for \+/);
});

/** The port of each server, as the log tells them. */
async function portsByServer(program: Program, count: number): Promise<Map<string, number>> {
  const find = (): Map<string, number> => {
    const lines = program.stderr.split('\n').filter((line) => line.includes('"event":"listening"'));
    const fields = lines.map((line) => JSON.parse(line) as { server: string; port: number });
    return new Map(fields.map(({ server: name, port }) => [name, port]));
  };
  await until('all to listen', () => find().size === count);
  return find();
}
