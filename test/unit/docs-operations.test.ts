import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readPage } from '../support/markdown-pages.ts';

/** An event as source has it, rather than a type. */
const EVENT = /\bevent(?:: '([\w-]+)'(?! \|)|: '([\w-]+)' \| '([\w-]+)' \| '([\w-]+)' = )/g;

/** The events of the page's own server-sent events and of sockets are no log lines. */
const NOT_LOGGING = /^src\/(?:admin\/(?:events|page)|upstream\/dial)/;

test('docs/operations.md tells of every event that the log has, and of no other', () => {
  const files = globSync('src/**/*.ts').filter((path) => !NOT_LOGGING.test(path));
  const inSource = new Set(files.flatMap(eventsIn));
  const { text } = readPage('docs/operations.md');
  const table = /\| event \| level \|[^]*?\n\n/.exec(text)?.[0] ?? '';
  const told = [...table.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, event = '']) => event);
  assert.deepEqual(told.toSorted(), [...inSource].toSorted());
});

function eventsIn(path: string): string[] {
  const matches = [...readFileSync(path, 'utf8').matchAll(EVENT)];
  return matches.flatMap(([, ...groups]) => groups.filter((group) => group !== undefined));
}
