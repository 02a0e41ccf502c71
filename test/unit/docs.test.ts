import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorsPage } from '../support/docs.ts';

test('docs/errors.md is what npm run docs makes of the source', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  assert.equal(page, errorsPage());
});
