import { mkdirSync, writeFileSync } from 'node:fs';
import { DOCS } from './docs.ts';

for (const [path, content] of Object.entries(DOCS)) {
  const file = new URL(`../../${path}`, import.meta.url);
  mkdirSync(new URL('.', file), { recursive: true });
  writeFileSync(file, content());
}
