import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import type { SessionOutcome, SessionView } from '../../src/proxy/observer.ts';
import { HOST, identityView, serverView, startTestAdmin, type TestAdmin } from '../support/admin.ts';
import { launchBrowser, noBrowser, openPage, type WatchedPage } from '../support/browser.ts';
import { startFleet } from '../support/fleet.ts';
import { startTestServer } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const HOSTILE = '<img src=x onerror=alert(1)>';

function sessionView(view: Partial<SessionView> = {}): SessionView {
  return {
    id: 1,
    client: '127.0.0.1:50001',
    applicationName: 'psql',
    clientUser: 'anyone',
    database: 'app',
    role: 'alice@contoso.com',
    ageMs: 61_000,
    activity: 'idle',
    bytesFromClient: 1_200,
    bytesFromServer: 3_400_000,
    ...view,
  };
}

const SESSIONS = [
  sessionView({ id: 1, applicationName: 'grafana', ageMs: 5_000, bytesFromServer: 10 }),
  sessionView({ id: 2, applicationName: 'dbt', ageMs: 90_000, activity: 'idle in transaction' }),
  sessionView({ id: 3, applicationName: 'psql', ageMs: 7_000, activity: 'active', database: 'orders' }),
];

function show({ view }: TestAdmin, sessions: readonly SessionView[]): void {
  view.serverViews = [serverView({ sessionCount: sessions.length, sessions: () => sessions })];
}

function rows(page: Page): Locator {
  return page.locator('tbody tr');
}

/** What axe-core finds against WCAG 2.2 AA. */
const BREACHES = `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
  .then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html, any }) => [html, any[0]?.message])]))`;

/** What reaches over the right edge, to be seen or not. */
const TOO_WIDE = `[...document.querySelectorAll('body *:not(.sr-only, .sr-only *)')]
  .filter((one) => one.getBoundingClientRect().right > innerWidth)
  .map((one) => one.outerHTML.slice(0, 80))`;

function refusal(text: string): SessionOutcome {
  const error = { message: text, hint: text };
  return { result: 'refused', sqlState: text, error, bytesFromClient: 0, bytesFromServer: 0 };
}

/** The texts of a column, by its place. */
async function column(page: Page, index: number): Promise<string[]> {
  return rows(page).locator(`td:nth-child(${index}) span`).allTextContents();
}

describe('the page', { skip: noBrowser, concurrency: 4 }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchBrowser();
  });
  after(() => browser.close());

  const open = ({ port }: { port: number }, options?: BrowserContextOptions): Promise<WatchedPage> =>
    openPage(browser, `http://127.0.0.1:${port}/`, options);

  test('shows sessions of real clients as they come, work and go, and why others were refused', async () => {
    const server = await startTestServer();
    await using cleaning = new AsyncDisposableStack();
    cleaning.defer(() => server.postgres.stop());
    await using fleet = await startFleet(server, { 'allow-databases': 'app' });
    await using opened = await open(fleet.admin);
    const { page, troubles, requests } = opened;
    await page.getByText('No sessions.').waitFor();
    const connection = await connectPg(fleet.port, { application_name: HOSTILE });
    await connection.client.query('begin');
    const row = rows(page).filter({ hasText: HOSTILE }).filter({ hasText: 'idle in transaction' });
    await row.waitFor();
    const texts = await row.locator('td span').allTextContents();
    assert.match(texts[0] ?? '', /^127\.0\.0\.1:\d+$/);
    assert.deepEqual(texts.slice(1, 5), ['anyone', HOSTILE, TEST_ROLE, 'app']);
    assert.match(texts.slice(6).join(), /^\d+ s,\d+ B,\d+ B$/);
    await page.getByRole('img', { name: /^Authentication: median \d/ }).waitFor();
    await connection.client.query('commit');
    await rows(page)
      .filter({ hasText: /○?idle(?! in)/ })
      .waitFor();
    await connection[Symbol.asyncDispose]();
    await page.getByText('No sessions.').waitFor();
    await refusedLogin(fleet.port, { database: 'nowhere' });
    const error = page.locator('.errors li').filter({ hasText: 'refused by the proxy' });
    await error.filter({ hasText: 'Hint:' }).waitFor();
    assert.deepEqual(troubles, []);
    assert.ok(requests.every((url) => url.startsWith(`http://127.0.0.1:${fleet.admin.port}/`)));
  });

  test('a hostile name is only ever text, wherever it comes from', async () => {
    using bench = await startTestAdmin();
    const names = [HOSTILE, '"><script>alert(1)</script>', '\u202Egnp.exe\u0007', '__proto__', '{{1}}'];
    const sessions = names.map((name, id) =>
      sessionView({ id, applicationName: name, clientUser: name, database: name, role: name, client: name }),
    );
    bench.view.serverViews = [
      serverView({
        host: HOSTILE,
        upstream: HOSTILE,
        listeners: [`/${HOSTILE}/.s.PGSQL.1`],
        logins: [{ clientUser: HOSTILE, role: HOSTILE, identity: 'test' }],
        sessions: () => sessions,
      }),
    ];
    bench.view.identityViews = [identityView({ credential: HOSTILE, failure: new Error(HOSTILE) })];
    bench.observations.observerOf(HOSTILE).ended(refusal(HOSTILE));
    await using opened = await open(bench);
    const { page, troubles } = opened;
    await page.getByRole('heading', { name: HOSTILE }).waitFor();
    assert.deepEqual(new Set(await column(page, 3)), new Set(names.with(2, '‹U+202E›gnp.exe‹U+0007›')));
    assert.match((await page.locator('.errors').textContent()) ?? '', /Hint: <img src=x onerror=alert\(1\)>/);
    // Only what the page itself makes is there.
    assert.equal(await page.locator('body img, body script, [onerror], [style]').count(), 0);
    assert.deepEqual(troubles, []);
  });

  test('sessions are sorted and filtered with the keyboard alone', async () => {
    using bench = await startTestAdmin();
    show(bench, SESSIONS);
    await using opened = await open(bench);
    const { page } = opened;
    await rows(page).first().waitFor();
    assert.deepEqual(await column(page, 3), ['dbt', 'psql', 'grafana']);
    await page.keyboard.press('Tab');
    assert.equal(await page.locator(':focus').textContent(), 'Skip to the servers');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await page.locator(':focus').getAttribute('aria-label'), `Filter the sessions of ${HOST}`);
    for (const name of ['Client', 'User', 'Application']) {
      await page.keyboard.press('Tab');
      assert.equal(await page.locator(':focus').textContent(), name);
    }
    await page.keyboard.press('Enter');
    assert.deepEqual(await column(page, 3), ['dbt', 'grafana', 'psql']);
    assert.equal(await page.locator('th', { hasText: 'Application' }).getAttribute('aria-sort'), 'ascending');
    await page.keyboard.press('Space');
    assert.deepEqual(await column(page, 3), ['psql', 'grafana', 'dbt']);
    assert.equal(await page.locator('th[aria-sort]').count(), 1);
    assert.equal(await page.locator('th[aria-sort]').getAttribute('aria-sort'), 'descending');
    await page.getByLabel('Filter').focus();
    await page.keyboard.type('app psql');
    assert.deepEqual(await column(page, 3), []);
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('ORDERS psql');
    assert.deepEqual(await column(page, 3), ['psql']);
    await page.getByText('1 session fits the filter').waitFor();
    assert.match((await page.getByText('3 of at most 10').textContent()) ?? '', /0 of|1 shown/);
  });

  test('what its reader chose, and where the focus is, outlasts news', async () => {
    using bench = await startTestAdmin();
    show(bench, SESSIONS);
    await using opened = await open(bench);
    const { page } = opened;
    await page.getByRole('button', { name: 'Received' }).click();
    await page.getByRole('button', { name: 'Copy psql' }).focus();
    const element = await rows(page).filter({ hasText: 'dbt' }).elementHandle();
    show(bench, [...SESSIONS, sessionView({ id: 4, applicationName: 'late', bytesFromServer: 11 })]);
    await rows(page).filter({ hasText: 'late' }).waitFor();
    assert.deepEqual(await column(page, 3), ['grafana', 'late', 'dbt', 'psql']);
    assert.match((await page.locator(':focus').getAttribute('aria-label')) ?? '', /^Copy psql/);
    assert.equal(await element?.evaluate(({ isConnected }) => isConnected), true);
  });

  test('a connection string is copied by its button, which says so', async () => {
    using bench = await startTestAdmin();
    await using opened = await open(bench, { permissions: ['clipboard-read', 'clipboard-write'] });
    const { page } = opened;
    for (const [name, text] of [
      ['psql', 'psql "host=127.0.0.1 port=6432 dbname=postgres"'],
      ['URL', 'postgresql://127.0.0.1:6432/postgres?sslmode=disable'],
      ['JDBC', 'jdbc:postgresql://127.0.0.1:6432/postgres?sslmode=disable'],
    ] as const) {
      const button = page.getByRole('button', { name: `Copy ${name}` });
      await button.focus();
      await page.keyboard.press('Enter');
      await button.filter({ hasText: 'Copied' }).waitFor();
      assert.equal(await page.evaluate('navigator.clipboard.readText()'), text);
      assert.equal(await page.getByRole('status').textContent(), `Copied ${name}`);
    }
  });

  test('it says when the proxy is gone, and goes on by itself when it is there again', async () => {
    using first = await startTestAdmin();
    show(first, SESSIONS);
    await using opened = await open(first);
    const { page } = opened;
    await page.getByText('live', { exact: true }).waitFor();
    first.admin.close();
    await page.getByText('disconnected, trying again').waitFor();
    assert.match((await page.getByRole('status').textContent()) ?? '', /^Disconnected/);
    assert.equal(await rows(page).count(), 3);
    using second = await startTestAdmin({ port: first.port });
    // An answer that is no stream: the browser alone would not try again.
    const failed = Promise.withResolvers<void>();
    second.view.servers = () => {
      Reflect.deleteProperty(second.view, 'servers');
      failed.resolve();
      throw new Error('not yet');
    };
    await failed.promise;
    show(second, [sessionView({ id: 9, applicationName: 'newcomer' })]);
    await rows(page).filter({ hasText: 'newcomer' }).waitFor();
    assert.equal(await rows(page).count(), 1);
    assert.match((await page.getByRole('status').textContent()) ?? '', /^Connected/);
  });

  test('nothing is asked for while nobody can see it', async () => {
    using bench = await startTestAdmin();
    await using opened = await open(bench);
    const { page, troubles } = opened;
    const become = async (state: string): Promise<void> => {
      await page.evaluate(`Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))`);
    };
    await page.getByText('live', { exact: true }).waitFor();
    const [left] = await Promise.all([page.waitForEvent('requestfailed'), become('hidden')]);
    assert.match(left.url(), /\/events$/);
    await Promise.all([page.waitForRequest('**/events'), become('visible')]);
    await page.getByText('live', { exact: true }).waitFor();
    assert.deepEqual(troubles, []);
  });

  test('a change of state is told in words, to who sees it and to who does not; other news is not', async () => {
    using bench = await startTestAdmin();
    await using opened = await open(bench);
    const { page } = opened;
    const ring = page.getByRole('img', { name: 'usable for 59 min' });
    await ring.waitFor();
    assert.equal(await page.getByRole('status').textContent(), '');
    bench.view.identityViews = [
      identityView({ tokenExpiresAt: Date.now() - 5_000, failure: new Error('no way') }),
    ];
    await page.getByRole('img', { name: /^expired \d+ s ago$/ }).waitFor();
    await page.locator('h2 + .badge').filter({ hasText: 'not ready' }).waitFor();
    assert.match((await page.getByRole('status').textContent()) ?? '', /not ready.*the token has expired/);
    bench.view.isDraining = true;
    await page.locator('header .badge').filter({ hasText: 'draining' }).waitFor();
    assert.match(await page.title(), /^draining/);
  });

  test('in dark and light, on a phone and on a screen: accessible, and nothing to scroll sideways', async () => {
    using bench = await startTestAdmin();
    const long = 'x'.repeat(128);
    const { view, observations } = bench;
    show(bench, [...SESSIONS, sessionView({ id: 7, applicationName: long, database: long })]);
    view.serverViews = [...view.serverViews, serverView({ host: `${'long-'.repeat(12)}name.example` })];
    observations.observerOf(HOST).loggedIn(12, { token: 1, tls: 4 });
    observations.observerOf(HOST).ended(refusal(long));
    await using opened = await open(bench, { reducedMotion: 'reduce' });
    const { page, troubles } = opened;
    await rows(page).first().waitFor();
    await page.evaluate(axe.source);
    for (const [colorScheme, ground] of [
      ['light', 'rgb(244, 246, 248)'],
      ['dark', 'rgb(15, 20, 26)'],
    ] as const)
      for (const width of [360, 1_280]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        assert.equal(await page.evaluate('getComputedStyle(document.body).backgroundColor'), ground);
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width);
        assert.deepEqual(await page.evaluate(TOO_WIDE), []);
        assert.deepEqual(await page.evaluate(BREACHES), []);
      }
    assert.deepEqual(troubles, []);
  });

  test('whoever cannot see it finds names for all that can be used', async () => {
    using bench = await startTestAdmin();
    show(bench, SESSIONS);
    await using opened = await open(bench, { viewport: { width: 360, height: 800 } });
    const { page } = opened;
    await rows(page).first().waitFor();
    // On a phone too, where it does not look like one, the table is one.
    const table = page.getByRole('table', { name: `Sessions of ${HOST}` });
    assert.equal(await table.getByRole('row').count(), 4);
    assert.equal(await table.getByRole('columnheader').count(), 9);
    assert.deepEqual(await table.getByRole('columnheader').getByRole('button').allTextContents(), [
      'Client',
      'User',
      'Application',
      'Role',
      'Database',
      'State',
      'Age',
      'Sent',
      'Received',
    ]);
    await page.getByRole('region', { name: HOST }).waitFor();
    await page.getByRole('searchbox', { name: `Filter the sessions of ${HOST}` }).waitFor();
    await page.getByRole('img', { name: /^Logins per second: / }).waitFor();
  });

  test('a thousand sessions are shown without delay', async () => {
    using bench = await startTestAdmin();
    show(
      bench,
      Array.from({ length: 1_000 }, (_, id) => sessionView({ id, applicationName: `client ${id}` })),
    );
    await using opened = await open(bench);
    const { page } = opened;
    await until('all rows', async () => (await rows(page).count()) === 1_000);
    await page.getByLabel('Filter').fill('client 99');
    assert.equal(await rows(page).count(), 19);
  });
});
