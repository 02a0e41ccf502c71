import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { createSecureContext } from 'node:tls';
import { checkDns } from '../../src/check/dns.ts';
import { stepText } from '../../src/check/report.ts';
import { CLOUDS, type Cloud } from '../../src/config/clouds.ts';
import { blocksOf, readPage } from '../support/guides.ts';

test('the tests that docs/security.md names are there', () => {
  const rows = readPage('docs/security.md').match(/^\| \d\. .*$/gm) ?? [];
  assert.equal(rows.length, 8);
  for (const row of rows) {
    const [, , names = ''] = row.split('|');
    const paths = [...names.matchAll(/`([\w/-]+)(\*)?`/g)];
    assert.ok(paths.length > 2, row);
    for (const [, name = '', all] of paths) {
      const path = `test/${name.includes('/') ? name : `attack/${name}`}${all === undefined ? '' : 'environment'}.test.ts`;
      assert.ok(existsSync(new URL(`../../${path}`, import.meta.url)), path);
    }
  }
});

test('what check prints in the guide on private endpoints is what it prints', async () => {
  const host = 'myserver.postgres.database.azure.com';
  const link = 'myserver.privatelink.postgres.database.azure.com';
  const trust = { roots: 'bundled', serverName: host, secureContext: createSecureContext() };
  const printed: string[] = [];
  for (const address of ['203.0.113.7', '10.0.0.5']) {
    const resolving = {
      addressesOf: async () => [address],
      aliasOf: async (name: string) => (name === host ? link : undefined),
    };
    const { finding } = await checkDns(
      { address: host, port: 5432, trust, connectTimeoutMs: 1_000 },
      resolving,
    );
    const step = { id: 'dns', server: host, clientUser: undefined, ...finding } as const;
    printed.push(stepText(step, { width: 100, hasColors: false, isUnicode: true }));
  }
  const shown = blocksOf(readPage('docs/guides/private-endpoints.md')).filter(
    ({ language }) => language === 'text',
  );
  assert.deepEqual(
    shown.map(({ text }) => text),
    printed,
  );
});

test('the table of clouds has what --cloud sets', () => {
  const page = readPage('docs/guides/sovereign-clouds.md');
  const cells = [...page.matchAll(/^\| .*\|$/gm)].map(([row]) => row.split('|').map((cell) => cell.trim()));
  const columns = cells[0]?.map((cell) => cell.replace(/ \(default\)$/, '').replaceAll('`', '')) ?? [];
  for (const [name, cloud] of Object.entries<Cloud>(CLOUDS)) {
    const column = columns.indexOf(name);
    const { hostSuffix, scope, authorityHost = 'https://login.microsoftonline.com' } = cloud;
    for (const value of [hostSuffix, scope, authorityHost])
      assert.ok(
        cells.some((row) => row[column] === `\`${value}\``),
        `${name}: ${value}`,
      );
  }
});
