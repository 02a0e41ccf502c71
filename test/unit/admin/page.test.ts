import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { ask, startTestAdmin } from '../../support/admin.ts';

const FILES = readdirSync(new URL('../../../src/admin/page/', import.meta.url)).filter(
  (file) => !file.endsWith('.d.ts') && file !== 'index.html',
);

test('the page and all that it is made of are served, each with its type', async () => {
  using bench = await startTestAdmin();
  const types = await Promise.all(
    ['/', ...FILES.map((file) => `/page/${file}`)].map(async (path) => {
      const { status, headers } = await ask(bench.port, path);
      assert.equal(status, 200, path);
      return headers['content-type']?.replace('; charset=utf-8', '');
    }),
  );
  assert.deepEqual(new Set(types), new Set(['text/html', 'text/javascript', 'image/svg+xml', 'text/css']));
});

test('its policy allows what this listener serves and nothing else, and no script or style in the page', async () => {
  using bench = await startTestAdmin();
  const { headers, body } = await ask(bench.port, '/');
  const policy = new Map(
    String(headers['content-security-policy'])
      .split('; ')
      .map((rule) => [rule.split(' ')[0], rule.split(' ').slice(1).join(' ')]),
  );
  assert.equal(policy.get('default-src'), "'none'");
  assert.equal(policy.get('require-trusted-types-for'), "'script'");
  for (const name of ['base-uri', 'form-action', 'frame-ancestors', 'trusted-types'])
    assert.equal(policy.get(name), "'none'", name);
  for (const name of ['script-src', 'style-src', 'connect-src', 'img-src'])
    assert.equal(policy.get(name), "'self'", name);
  assert.doesNotMatch(body, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/i);
  assert.doesNotMatch(body, /(?:src|href)="(?:https?:)?\/\//i);
});

test('nothing else of the directory is to be had', async () => {
  using bench = await startTestAdmin();
  for (const path of [
    '/page/',
    '/page/index.html',
    '/page/model.d.ts',
    '/page/../http.ts',
    '/page/%2e%2e/http.ts',
    '/page/..%2fhttp.ts',
  ])
    assert.equal((await ask(bench.port, path)).status, 404, path);
});

test('the page is for the Hosts of this listener only', async () => {
  using bench = await startTestAdmin();
  for (const path of ['/', '/page/main.js'])
    assert.equal((await ask(bench.port, path, { headers: { host: 'evil.example' } })).status, 403);
});
