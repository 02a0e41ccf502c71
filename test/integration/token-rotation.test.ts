import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { APPLICATION, entraFlags, startCredentialBench } from '../support/credentials.ts';
import { connectPg } from '../support/proxy.ts';
import { TEST_ROLE } from '../support/tokens.ts';

/** The proxy asks anew when a quarter of it is left. */
const LIFETIME_S = 5;

/** Three tokens that have run out under way: some 11 s. */
const TOKENS = 4;
const DEADLINE_MS = 40_000;

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

/** As on Azure: a token serves until it expires. As nowhere: a new one ends the old one at once. */
async function accept(token: string, expiresAt: Date): Promise<void> {
  const [role, password, until] = [
    escapeIdentifier(TEST_ROLE),
    escapeLiteral(bench.keepSecret(token)),
    escapeLiteral(expiresAt.toISOString()),
  ];
  await bench.server.postgres.admin(`alter role ${role} password ${password} valid until ${until}`);
}

test('no login fails while short-lived tokens come and go, and no session ends', async () => {
  await using entra = await bench.startEntra({ lifetimeSeconds: LIFETIME_S, onMint: accept });
  const flags = ['--credential', 'environment', '--user', TEST_ROLE, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags, APPLICATION);
  await using lasting = await connectPg(proxy.port);
  const deadline = performance.now() + DEADLINE_MS;
  let logins = 0;
  const keepLoggingIn = async (): Promise<void> => {
    while (entra.requests < TOKENS) {
      assert.ok(performance.now() < deadline, `${entra.requests} tokens only in ${DEADLINE_MS} ms`);
      assert.equal(await proxy.whoAmI(), TEST_ROLE);
      logins += 1;
    }
  };
  await Promise.all([keepLoggingIn(), keepLoggingIn()]);
  assert.ok(logins > TOKENS, `${logins} logins`);
  const { rows } = await lasting.client.query('select current_user');
  assert.deepEqual(rows, [{ current_user: TEST_ROLE }]);
});
