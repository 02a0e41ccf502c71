import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DOCS } from '../support/docs.ts';

for (const [name, content] of Object.entries(DOCS)) {
  test(`docs/${name} is what npm run docs makes of the source`, () => {
    assert.equal(readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8'), content());
  });
}
