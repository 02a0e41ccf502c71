import { writeFileSync } from 'node:fs';
import { DOCS } from './docs.ts';

for (const [name, content] of Object.entries(DOCS)) {
  writeFileSync(new URL(`../../docs/${name}`, import.meta.url), content());
}
