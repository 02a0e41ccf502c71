import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DOCS } from '../support/docs.ts';

for (const [path, content] of Object.entries(DOCS)) {
  test(`${path} is what npm run docs makes of the source`, () => {
    assert.equal(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'), content());
  });
}
