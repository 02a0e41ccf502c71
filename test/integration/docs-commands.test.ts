import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { missing } from '../support/clients.ts';
import { NOT_RUN } from '../support/docs-commands/not-run.ts';
import { commandsIn, onOneLine } from '../support/docs-commands/script.ts';
import { startStage } from '../support/docs-commands/stage.ts';
import { pagePaths, parsePage, readPage } from '../support/markdown-pages.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const PAGES = pagePaths(['README.md', 'docs/quickstart/*.md', 'docs/operations.md']).map(readPage);

/** Pages that go on where another has led. */
const AFTER: Readonly<Record<string, string>> = {
  'docs/quickstart/shared-service.md': 'docs/quickstart/vm.md',
};

/** All pages, each behind the one that comes first. */
const RUNS = PAGES.filter(({ path }) => !Object.values(AFTER).includes(path)).map((page) => [
  ...PAGES.filter(({ path }) => path === AFTER[page.path]),
  page,
]);

const WITHOUT_PSQL = { skip: missing('psql') || missing('openssl') || missing('curl') };

describe('the commands of the documentation', { ...WITHOUT_PSQL, concurrency: 2 }, () => {
  for (const pages of RUNS) {
    const paths = pages.map(({ path }) => path);
    test(`${paths.join(', then ')}: each command works, with those before it done`, async () => {
      await using stage = await startStage();
      const { status, stdout, stderr } = await stage.run(pages);
      assert.equal(status, 0, `${stdout}\n${stderr}`);
      if (paths.includes('README.md')) assert.ok(stdout.includes(TEST_ROLE), 'the README leads to no query');
    });
  }

  for (const [what, right, wrong, said] of [
    ['a flag', '\nnpx pg-entra-proxy myserver\n', '\nnpx pg-entra-proxy myserver --usr me\n', /usr/],
    ['a program', '\naz login\n', '\nazz login\n', /azz: command not found/],
    ['the package', '\nnpx pg-entra-proxy', '\nnpx pg-entra-proxi', /there is no such package/],
  ] as const) {
    test(`README.md: ${what} that is mistyped would be noticed`, async () => {
      const { path, text } = readPage('README.md');
      assert.ok(text.includes(right));
      await using stage = await startStage();
      const { status, stderr } = await stage.run([parsePage(path, text.replace(right, wrong))]);
      assert.notEqual(status, 0);
      assert.match(stderr, said);
      assert.match(stderr, /^failed: README\.md:\d+: /m);
    });
  }
});

test('each command that is not run is still in the documentation', () => {
  const all = new Set(PAGES.flatMap(({ blocks }) => blocks.flatMap(commandsIn)).map(onOneLine));
  assert.deepEqual(
    NOT_RUN.filter(({ command }) => !all.has(command)),
    [],
  );
});
