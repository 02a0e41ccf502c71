import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLOUDS } from '../../../src/config/clouds.ts';
import { audienceWarning } from '../../../src/identity/audience.ts';

const PUBLIC = CLOUDS.public.scope;

test('the resource and the application id of Azure Database for PostgreSQL both fit', () => {
  for (const aud of [
    'https://ossrdbms-aad.database.windows.net',
    'https://ossrdbms-aad.database.windows.net/',
    '123cd850-d9df-40bd-94d5-c9f07b7fa203',
  ]) {
    assert.equal(audienceWarning({ aud }, PUBLIC), undefined, aud);
  }
});

test("a token for another cloud or another resource is told with both audiences' names", () => {
  const usgov = 'https://ossrdbms-aad.database.usgovcloudapi.net';
  for (const aud of [usgov, 'https://management.azure.com', '00000003-0000-0000-c000-000000000000']) {
    const warning = audienceWarning({ aud }, PUBLIC) ?? '';
    assert.ok(warning.includes(`"${aud}"`), warning);
    assert.ok(warning.includes('"https://ossrdbms-aad.database.windows.net"'), warning);
  }
  assert.equal(audienceWarning({ aud: usgov }, CLOUDS.usgov.scope), undefined);
});

test("an application's own scope fits its id, with and without the prefix", () => {
  const id = '66666666-7777-4888-9999-aaaaaaaaaaaa';
  assert.equal(audienceWarning({ aud: id }, `api://${id}/.default`), undefined);
  assert.equal(audienceWarning({ aud: `api://${id}` }, `api://${id}/.default`), undefined);
  assert.notEqual(
    audienceWarning({ aud: '123cd850-d9df-40bd-94d5-c9f07b7fa203' }, `api://${id}/.default`),
    undefined,
  );
});

test('a token without an audience, or that is no JWT, is no reason to warn', () => {
  assert.equal(audienceWarning({}, PUBLIC), undefined);
  assert.equal(audienceWarning(undefined, PUBLIC), undefined);
});
