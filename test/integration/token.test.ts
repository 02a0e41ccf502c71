import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { startEntra } from '../../src/demo/entra.ts';
import { missing } from '../support/clients.ts';
import { CLIENT_ID, TENANT_ID } from '../support/credentials.ts';
import { quoted, shellLine } from '../support/exec.ts';
import { createTestFiles } from '../support/files.ts';
import { startImds } from '../support/imds.ts';
import { MAIN, runProgram, startProgram } from '../support/program.ts';
import { createTestToken } from '../support/tokens.ts';

const files = await createTestFiles();
after(() => files[Symbol.asyncDispose]());

const OBJECT_ID = '77777777-8888-4999-aaaa-bbbbbbbbbbbb';
const ISSUER = `https://sts.windows.net/${TENANT_ID}/`;
const AUDIENCE = 'https://ossrdbms-aad.database.windows.net';
const USER = { oid: OBJECT_ID, tid: TENANT_ID, iss: ISSUER, appid: CLIENT_ID, scp: 'user_impersonation' };

let fileCount = 0;

/** Flags that give a token with these claims, or this token. */
async function tokenFlags(claims: Record<string, unknown> | string = USER): Promise<string[]> {
  const token = typeof claims === 'string' ? claims : createTestToken(claims);
  fileCount += 1;
  return ['--credential', 'token-file', '--token-file', await files.write(`token${fileCount}`, `${token}\n`)];
}

/** A table's rows, by their names. */
function rowsOf(stdout: string): Record<string, string> {
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => /^(.*?) {2,}(.*)$/.exec(line));
  return Object.fromEntries(rows.map((row) => [row?.[1] ?? '', row?.[2] ?? '']));
}

async function startTestEntra() {
  const authority = await createCertificateAuthority('a stand-in for Entra');
  const certificate = await authority.issue({ ipAddresses: ['127.0.0.1'] });
  const clientSecret = 'secret~of~the~application';
  const registration = { tenantId: TENANT_ID, clientId: CLIENT_ID, clientSecret, lifetimeSeconds: 3_600 };
  const entra = await startEntra({ ...certificate, ...registration });
  const env = {
    NODE_EXTRA_CA_CERTS: await files.write('entra-ca.pem', authority.certPem),
    AZURE_TENANT_ID: TENANT_ID,
    AZURE_CLIENT_ID: CLIENT_ID,
    AZURE_CLIENT_SECRET: clientSecret,
  };
  return { entra, env, flags: ['--authority-host', entra.authorityHost, '--disable-instance-discovery'] };
}

test('token shows what a token says, how long it is valid, and the role', async () => {
  const { code, stdout, stderr } = await runProgram(['token', ...(await tokenFlags())]);
  assert.deepEqual([code, stderr], [0, '']);
  const { expires, ...rows } = rowsOf(stdout);
  assert.match(expires ?? '', /^in 5\d minutes, at (?:[\d-]+ )?\d\d:\d\d:\d\d$/);
  assert.deepEqual(rows, {
    credential: 'token-file',
    kind: 'user',
    name: 'alice@contoso.com',
    'object id': OBJECT_ID,
    tenant: TENANT_ID,
    audience: `${AUDIENCE} (fits)`,
    issuer: ISSUER,
    application: CLIENT_ID,
    scopes: 'user_impersonation',
    groups: '12',
    role: 'alice@contoso.com (--user auto)',
  });
});

test("an application's token from Entra is shown as such, with the role that --user says", async () => {
  const { entra, env, flags } = await startTestEntra();
  await using _ = entra;
  const args = ['token', '--credential', 'environment', '--user', 'orders app', ...flags];
  const { code, stdout, stderr } = await runProgram(args, env);
  assert.deepEqual([code, stderr], [0, '']);
  const { credential, kind, name, application, groups, role } = rowsOf(stdout);
  assert.deepEqual(
    { credential, kind, name, application, groups, role },
    {
      credential: 'environment',
      kind: 'application',
      name: 'in no claim',
      application: CLIENT_ID,
      groups: '14',
      role: 'orders app (--user)',
    },
  );
});

test('with the default credential it is told which won, and why the others did not', async () => {
  const directory = join(files.directory, 'tools');
  await mkdir(directory);
  const answer = JSON.stringify({
    token: createTestToken(USER),
    expiresOn: new Date(Date.now() + 3_600_000).toISOString(),
  });
  await writeFile(join(directory, 'azd'), `#!/bin/sh\nprintf '%s' '${answer}'\n`, { mode: 0o700 });
  const env = { PATH: [directory, '/usr/bin', '/bin'].join(delimiter), AZURE_TOKEN_CREDENTIALS: 'dev' };
  const { code, stdout } = await runProgram(['token'], env);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^credential +default: azure-developer-cli\npassed over +azure-cli \(.*could not be found\)\n +azure-powershell \(.+\)\nkind/,
  );
  const json = await runProgram(['token', '--json'], env);
  const [token] = (JSON.parse(json.stdout) as { tokens: { passedOver: { name: string }[] }[] }).tokens;
  assert.deepEqual(
    token?.passedOver.map(({ name }) => name),
    ['azure-cli', 'azure-powershell'],
  );
});

test("a role that is only in a token for Azure's management is found as the proxy finds it", async () => {
  const mirid =
    '/subscriptions/s/resourcegroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-orders';
  const tokens: Record<string, string> = {
    [AUDIENCE]: createTestToken({ upn: undefined, oid: OBJECT_ID }),
    'https://management.azure.com': createTestToken({ upn: undefined, oid: OBJECT_ID, xms_mirid: mirid }),
  };
  await using imds = await startImds({
    issueToken: (resource) => Promise.resolve(tokens[resource] ?? ''),
    resources: Object.keys(tokens),
  });
  const args = ['token', '--credential', 'managed-identity'];
  const { code, stdout } = await runProgram(args, imds.env);
  assert.equal(code, 0);
  const { name, role } = rowsOf(stdout);
  assert.deepEqual([name, role], ['in no claim', 'id-orders (--user auto)']);
});

test('a token that names no role is shown, with what to do about that', async () => {
  const flags = await tokenFlags({ upn: undefined, idtyp: 'app' });
  const { code, stdout, stderr } = await runProgram(['token', ...flags]);
  assert.equal(code, 0);
  assert.match(rowsOf(stdout)['role'] ?? '', /^not known \(--user auto\): the token does not say which role/);
  assert.match(stderr, /HINT: Give the role with --user NAME.*pgaadauth_create_principal/);
});

test('an audience that does not fit is told, with the flags that matter', async () => {
  const { code, stdout, stderr } = await runProgram(['token', '--cloud', 'usgov', ...(await tokenFlags())]);
  assert.equal(code, 0);
  assert.equal(rowsOf(stdout)['audience'], `${AUDIENCE} (does not fit)`);
  assert.match(
    stderr,
    /expects one for "https:\/\/ossrdbms-aad\.database\.usgovcloudapi\.net": check --cloud/,
  );
});

test('a token of another kind of server fits its own scope, or is not judged', async () => {
  const preset = ['--preset', 'cockroachdb'];
  const flags = await tokenFlags({ ...USER, aud: 'api://db' });
  const { stdout } = await runProgram(['token', ...preset, ...flags]);
  assert.equal(rowsOf(stdout)['audience'], 'api://db');
  const missingScope = await runProgram(['token', ...preset, '--credential', 'azure-cli']);
  assert.deepEqual([missingScope.code, missingScope.stderr.includes('cockroachdb needs --scope')], [2, true]);
});

test('an expired token is shown, and is a failure', async () => {
  const exp = Math.floor(Date.now() / 1000) - 3 * 3_600;
  const flags = await tokenFlags({ ...USER, exp });
  const { code, stdout, stderr } = await runProgram(['token', ...flags]);
  assert.equal(code, 1);
  assert.match(rowsOf(stdout)['expires'] ?? '', /^3 hours ago, at /);
  assert.match(stderr, /has already expired\nHINT: Check this machine's clock/);
  const raw = await runProgram(['token', '--raw', ...flags]);
  assert.deepEqual([raw.code, raw.stdout], [1, '']);
});

test('what is no JWT is said to be none', async () => {
  const { code, stdout } = await runProgram(['token', '--user', 'x', ...(await tokenFlags('opaque'))]);
  assert.equal(code, 0);
  const { kind, expires } = rowsOf(stdout);
  assert.equal(kind, 'no JWT: it says nothing of itself');
  assert.match(expires ?? '', /^not told; the proxy would ask for another at /);
});

test('a token that cannot be had is told with its reason and what helps, and 1', async () => {
  const args = ['token', '--credential', 'token-file', '--token-file', '/nowhere/token'];
  for (const more of [[], ['--json'], ['--raw']]) {
    const { code, stdout, stderr } = await runProgram([...args, ...more]);
    const empty = more.includes('--json') ? '{\n  "tokens": []\n}\n' : '';
    assert.deepEqual([code, stdout], [1, empty]);
    assert.match(
      stderr,
      /^pg-entra-proxy token: cannot read the token file \/nowhere\/token: ENOENT\nHINT: Check --token-file/,
    );
  }
});

test('--json says the same for machines', async () => {
  const flags = await tokenFlags({ ...USER, roles: ['db.read'], hasgroups: true, groups: undefined });
  const { code, stdout, stderr } = await runProgram(['token', '--json', ...flags]);
  assert.deepEqual([code, stderr], [0, '']);
  const [token = {}] = (JSON.parse(stdout) as { tokens: Record<string, unknown>[] }).tokens;
  const { expiresAt, expiresInSeconds, ...rest } = token;
  assert.ok(Math.abs(Date.parse(String(expiresAt)) - Date.now() - Number(expiresInSeconds) * 1_000) < 60_000);
  assert.deepEqual(rest, {
    credential: 'token-file',
    passedOver: [],
    usedBy: [],
    isJwt: true,
    kind: 'user',
    name: 'alice@contoso.com',
    objectId: OBJECT_ID,
    tenantId: TENANT_ID,
    audience: AUDIENCE,
    audienceFits: true,
    issuer: ISSUER,
    applicationId: CLIENT_ID,
    scopes: ['user_impersonation'],
    roles: ['db.read'],
    groupCount: 'more than fit into a token',
    isExpiryKnown: true,
    logins: [{ user: 'auto', role: 'alice@contoso.com' }],
  });
});

test('every identity of a file is shown once, with who uses it; one that fails hides no other', async () => {
  const one = await files.write('first', createTestToken({ ...USER, upn: 'orders' }));
  const yaml = [
    'credential: token-file',
    `token-file: ${one}`,
    'servers:',
    '  - server: lost',
    '    token-file: /nowhere/token',
    '  - server: orders',
    '    client-users:',
    '      report: { user: Reporting Group }',
    '      legacy: { pass-through: true }',
  ];
  const config = ['--config', await files.write('identities.yaml', yaml.join('\n'))];
  const { code, stdout, stderr } = await runProgram(['token', ...config]);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /^used by +orders\.postgres\.database\.azure\.com\n +client user report of orders\.postgres\.database\.azure\.com\ncredential +token-file\n/,
  );
  assert.match(stdout, /\nrole +orders \(--user auto, orders\.postgres\.database\.azure\.com\)\n/);
  assert.match(stdout, /\nrole +Reporting Group \(--user, client user report of orders\.postgres[^\n]*\)\n$/);
  assert.match(stderr, /token: lost\.postgres\.database\.azure\.com: cannot read the token file \/nowhere/);
  const raw = await runProgram(['token', '--raw', ...config]);
  assert.deepEqual([raw.code, raw.stdout], [2, '']);
  assert.match(raw.stderr, /--raw prints one token, and here are 2 identities/);
});

test('the code to enter is told on standard error, the token on standard output', async () => {
  const { entra, env, flags } = await startTestEntra();
  await using _ = entra;
  const asked: string[] = [];
  entra.behave = ({ method, url = '' }, response) => {
    if (method !== 'POST') return 'normal';
    asked.push(url);
    const message = 'To sign in, open https://microsoft.com/devicelogin and enter the code ABCD1234.';
    const code = { user_code: 'ABCD1234', device_code: 'd', verification_uri: 'https://x', expires_in: 900 };
    const token = {
      token_type: 'Bearer',
      expires_in: 3_600,
      scope: 'x',
      access_token: createTestToken(USER),
    };
    const answer = url.endsWith('/devicecode') ? { ...code, interval: 1, message } : token;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    return 'handled';
  };
  const device = ['--credential', 'device-code', '--tenant-id', TENANT_ID, '--client-id', CLIENT_ID];
  const { code, stdout, stderr } = await runProgram(['token', ...device, ...flags], env);
  assert.equal(code, 0, stderr);
  assert.equal(rowsOf(stdout)['credential'], 'device-code');
  assert.match(stderr, /^To sign in, open \S+ and enter the code ABCD1234\.\n$/);
});

test('--raw prints the token and a line end into a pipe, and nothing else', async () => {
  const token = createTestToken(USER);
  const flags = await tokenFlags(token);
  assert.deepEqual(await runProgram(['token', '--raw', ...flags]), {
    code: 0,
    signal: null,
    stdout: `${token}\n`,
    stderr: '',
  });
});

test('--raw writes no file that others can read, and asks for no token then', async () => {
  const token = createTestToken(USER);
  const asked = join(files.directory, 'asked');
  const script = await files.write('print-token.sh', `echo >> ${asked}\necho ${token}\n`);
  const line = shellLine([
    'token',
    '--raw',
    '--credential',
    'token-command',
    '--token-command',
    `sh ${script}`,
  ]);
  const out = join(files.directory, 'out');
  const run = (umask: string): Promise<string> =>
    promisify(execFile)('sh', [
      '-c',
      `umask ${umask}; ${line} > ${quoted(out)} 2> ${quoted(`${out}.err`)}; echo $?`,
    ]).then(({ stdout }) => stdout.trim());
  assert.equal(await run('022'), '2');
  assert.equal(await readFile(out, 'utf8'), '');
  assert.match(
    await readFile(`${out}.err`, 'utf8'),
    /a file that other users can read \(mode 0644\): run umask 077/,
  );
  await assert.rejects(stat(asked), /ENOENT/);
  await chmod(out, 0o600);
  assert.equal(await run('022'), '0');
  assert.equal(await readFile(out, 'utf8'), `${token}\n`);
});

test('--raw shows no token on a terminal, unless --yes-show-token says so', {
  skip: missing('script'),
}, async () => {
  const token = createTestToken({ ...USER, groups: [] });
  const flags = await tokenFlags(token);
  const onTerminal = async (args: readonly string[]): Promise<string> => {
    const line = [process.execPath, MAIN, ...args].map(quoted).join(' ');
    const { stdout } = await promisify(execFile)('script', ['-qc', line, '/dev/null']);
    return stdout;
  };
  const refused = await onTerminal(['token', '--raw', ...flags]);
  assert.match(refused, /--raw would show the token on this terminal/);
  assert.ok(!refused.includes(token.slice(0, 40)));
  const confirmed = await onTerminal(['token', '--raw', '--yes-show-token', ...flags]);
  assert.equal(confirmed.trim(), token);
});

test('a reader that has gone is told of, without a word of the token', {
  skip: missing('mkfifo'),
}, async () => {
  const token = createTestToken(USER);
  const gate = join(files.directory, 'gate');
  execFileSync('mkfifo', [gate]);
  const script = await files.write('print-later.sh', `cat ${gate}\necho ${token}\n`);
  const flags = ['--credential', 'token-command', '--token-command', `sh ${script}`];
  await using program = startProgram(['token', '--raw', ...flags]);
  program.child.stdout?.destroy();
  await writeFile(gate, '');
  assert.equal((await program.exit).code, 1);
  assert.match(program.stderr, /^pg-entra-proxy token: nobody took the token: .*EPIPE[^\n]*\n$/);
});

test('every mistake is told at once, and 2', async () => {
  const flags = ['--raw', '--json', '--check-config', '--prot', '1', '--credential', 'token-file'];
  const { code, stdout, stderr } = await runProgram(['token', ...flags]);
  assert.deepEqual([code, stdout], [2, '']);
  for (const problem of [
    '--raw prints the token and nothing else: it does not go with --json',
    '--check-config does nothing with token',
    '--prot is not a flag',
    '--credential token-file needs --token-file',
  ]) {
    assert.ok(stderr.includes(problem), `${problem}\nis missing in\n${stderr}`);
  }
  const unneeded = await runProgram(['token', '--yes-show-token', ...(await tokenFlags())]);
  assert.match(unneeded.stderr, /--yes-show-token does nothing without --raw/);
});

test('claims cannot write to a terminal what is no text', async () => {
  const { stdout } = await runProgram([
    'token',
    ...(await tokenFlags({ ...USER, upn: 'a\u001b[31mb\nc\u009b' })),
  ]);
  assert.equal(rowsOf(stdout)['name'], 'a?[31mb?c?');
});
