import { readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { createInstruments } from '../../src/admin/instruments.ts';
import { code, table } from './markdown.ts';

const PAGE = new URL('../../docs/operations.md', import.meta.url);

/** The part of the page that is made; all else is written by hand. */
const MADE = /(?<=<!-- metrics: made by npm run docs -->\n)[^]*(?=<!-- \/metrics -->)/;

/** docs/operations.md, with the metrics as the program has them. */
export function operationsPage(): string {
  const page = readFileSync(PAGE, 'utf8');
  if (!MADE.test(page)) throw new Error('docs/operations.md has no place for the metrics');
  return page.replace(MADE, () => `\n${metricsTable()}\n\n`);
}

function metricsTable(): string {
  const registry = new Registry();
  const metrics = Object.values(createInstruments(registry));
  const rows = metrics.map((metric) => {
    // prom-client's types leave out what each metric knows of itself.
    const { name, type, help, labelNames } = metric as unknown as Described;
    return [code(name), type, labelNames.map(code).join(', '), help];
  });
  return table(['metric', 'type', 'labels', 'what it tells'], rows);
}

interface Described {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}
