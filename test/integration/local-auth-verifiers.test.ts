import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeLiteral } from 'pg';
import { acceptProof, challengeClient } from '../../src/local/scram-exchange.ts';
import { deriveVerifier, isPasswordOf, parseScramVerifier } from '../../src/local/scram-verifier.ts';
import { missing, runClient } from '../support/clients.ts';
import { localUsers, startLocalListener } from '../support/local-listener.ts';
import { onEachServer } from '../support/postgres.ts';
import { ScramClient } from '../support/scram-client.ts';

/** ASCII, mapped, normalized; prohibited, unassigned, right to left, and nothing left. */
const PASSWORDS = [
  ['pencil', ' a b ', '"quoted"', 'tab\tbell\u0007', '\u00e9t\u00e9', 'e\u0301te\u0301', 'gr\u00fc\u00df'],
  [
    'I\u00adX',
    'a\u00a0b',
    'a\u3000b',
    'a\u200bb',
    '\u200d a',
    '\u00aa',
    '\u2168',
    '\ufb01x',
    '\uff41',
    '\u1e9b\u0323',
  ],
  [
    '\u00ad',
    'a\u0080',
    'a\u00e9\u0007',
    'a\ue000',
    'a\ufffd',
    'a\u2028',
    'a\u202e',
    '\u{1f600}',
    'a\u0221',
    '\u00aa\ue000',
  ],
  [
    '\u05d0\u05d1',
    '\u05d01',
    'a\u05d0',
    '1\u05d0',
    '\u05d0 a \u05d0',
    '\u0627\u0031',
    '\u0627\u0031\u0628',
    '\u00aa\u05d0',
  ],
].flat();

onEachServer((server) => {
  /** What PostgreSQL stores of each password. */
  async function stored(passwords: readonly string[]): Promise<string[]> {
    const { postgres } = server();
    const found: string[] = [];
    await postgres.admin('drop role if exists local_auth; create role local_auth');
    for (const password of passwords) {
      const set = `set password_encryption = 'scram-sha-256'; alter role local_auth password ${escapeLiteral(password)}`;
      const [row] = await postgres.admin(
        `${set}; select rolpassword from pg_authid where rolname = 'local_auth'`,
      );
      found.push(String(row?.['rolpassword']));
    }
    return found;
  }

  test('of any password, the verifier made here is the one that PostgreSQL makes', async () => {
    for (const [index, text] of (await stored(PASSWORDS)).entries()) {
      const verifier = parseScramVerifier(text);
      assert.ok(verifier, text);
      const password = Buffer.from(PASSWORDS[index] ?? '');
      const name = JSON.stringify(PASSWORDS[index]);
      assert.deepEqual(await deriveVerifier(password, verifier.salt, verifier.iterations), verifier, name);
      assert.equal(await isPasswordOf(verifier, password), true, name);
    }
  });

  test('a verifier made by PostgreSQL lets in who knows the password, and nobody else', async () => {
    const [text = ''] = await stored(['pencil']);
    const verifier = parseScramVerifier(text);
    assert.ok(verifier);
    const user = { isKnown: true, verifier };
    for (const password of ['pencil', 'Pencil', text]) {
      const client = new ScramClient(password);
      const options = { user, mechanism: 'SCRAM-SHA-256', channelBinding: undefined };
      const challenge = challengeClient(client.first, options);
      const answer = acceptProof(client.final(challenge.serverFirst), challenge);
      assert.equal(answer, password === 'pencil' ? client.expectedServerFinal : undefined, password);
    }
  });

  test('psql logs in against a verifier made by PostgreSQL, by either method', {
    skip: missing('psql'),
  }, async () => {
    const password = '\u00e9t\u00e9 \u2168\u00ad';
    const [text = ''] = await stored([password]);
    const users = await localUsers({ app: text });
    for (const method of ['password', 'scram-sha-256'] as const) {
      await using listener = await startLocalListener({ method, users });
      const env = { PGUSER: 'app', PGPASSWORD: password };
      await runClient('psql', ['-wAtc', ';'], listener.port, env);
      assert.deepEqual(listener.outcomes, [undefined]);
    }
  });
});
