import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Page, pagePaths, readPage } from '../support/markdown-pages.ts';

const pages = new Map(pagePaths().map((path) => [path, readPage(path)]));

for (const [path, page] of pages) {
  test(`every link of ${path} that stays in the repository leads somewhere`, () => {
    assert.deepEqual(
      page.links.flatMap((link) => problemWith(link, page)),
      [],
    );
  });
}

test('docs/README.md leads to every page of docs', () => {
  const index = pages.get('docs/README.md');
  const named = new Set(index?.links.map((link) => posix.join('docs', link.replace(/#.*/, ''))));
  const missing = [...pages.keys()].filter((path) => path.startsWith('docs/') && !named.has(path));
  assert.deepEqual(missing, ['docs/README.md']);
});

/** What is wrong with a link; nothing about those that lead elsewhere. */
function problemWith(link: string, page: Page): string[] {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return [];
  const [, file = '', anchor] = /^([^#]*)(?:#(.*))?$/.exec(decodeURI(link)) ?? [];
  const path = file === '' ? page.path : posix.join(posix.dirname(page.path), file);
  if (path.startsWith('..') || file.startsWith('/')) return [`${link} leads out of the repository`];
  if (!existsSync(fileURLToPath(new URL(`../../${path}`, import.meta.url))))
    return [`${link}: there is no ${path}`];
  if (anchor === undefined) return [];
  const anchors = pages.get(path)?.anchors;
  return anchors?.has(anchor) === true ? [] : [`${link}: ${path} has no heading #${anchor}`];
}
