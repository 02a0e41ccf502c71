import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { createTestFiles, type TestFiles } from '../support/files.ts';
import { install, type Package, pack, readManifest } from '../support/package.ts';
import { SERVER_NAME, startTestServer } from '../support/postgres.ts';
import { portsIn, startProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { argumentsFor } from '../support/running-program.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const NO_REGISTRY = 'the registry of npm cannot be reached';

let files: TestFiles;
let packed: Package;
let installed: readonly string[] | undefined;
before(async () => {
  files = await createTestFiles();
  packed = await pack(files);
  installed = await install(files, packed);
});
after(() => files[Symbol.asyncDispose]());

test('the package holds the compiled program without the demo, its roots of trust, and what is about it', () => {
  const compiled = globSync('src/**/*.ts', { exclude: ['src/demo/**', '**/*.d.ts'] });
  const page = globSync('src/admin/page/*.{html,css,js,svg}');
  const inDist = [...compiled, ...page].map((path) =>
    path.replaceAll('\\', '/').replace(/^src/, 'dist').replace(/\.ts$/, '.js'),
  );
  const about = [
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'docs/config.schema.json',
    'man/pg-entra-proxy.1',
  ];
  const roots = globSync('certs/*.pem').map((path) => path.replaceAll('\\', '/'));
  assert.ok(inDist.length > 100);
  assert.ok(roots.length > 3);
  assert.deepEqual([...packed.files].toSorted(), [...inDist, ...about, ...roots].toSorted());
});

test('installed into an empty directory, it says its version and its help', async (context) => {
  if (installed === undefined) return context.skip(NO_REGISTRY);
  const { version } = await readManifest();
  const results = await Promise.all(
    ['--version', '--help'].map(async (flag) => {
      await using program = startProgram([flag], {}, installed);
      return { ...(await program.exit), stdout: program.stdout, stderr: program.stderr };
    }),
  );
  const [said, help] = results;
  assert.deepEqual(said, { code: 0, signal: null, stdout: `${version}\n`, stderr: '' });
  assert.deepEqual([help?.code, help?.stderr], [0, '']);
  assert.match(help?.stdout ?? '', /--upstream-address/);
});

test('it tells that the demo needs a clone', async (context) => {
  if (installed === undefined) return context.skip(NO_REGISTRY);
  await using program = startProgram(['demo', '--once'], {}, installed);
  assert.deepEqual(await program.exit, { code: 1, signal: null });
  assert.match(program.stderr, /npm ci && npm run demo/);
});

const skip = process.platform === 'win32' && 'the test server needs Unix sockets';

test('it logs a client in', { skip }, async (context) => {
  if (installed === undefined) return context.skip(NO_REGISTRY);
  const server = await startTestServer();
  await using _postgres = server.postgres;
  const args = await argumentsFor(server, files);
  assert.ok(args.includes(SERVER_NAME));
  await using program = startProgram([...args, '--port', '0', '--admin-port', '0'], {}, installed);
  await program.find('listening');
  const [port = 0] = portsIn(program.stderr);
  await using connection = await connectPg(port);
  const { rows } = await connection.client.query('select current_user as role');
  assert.deepEqual(rows, [{ role: TEST_ROLE }]);
  await connection.client.end();
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
});
