import { randomBytes } from 'node:crypto';
import { createAccessToken, type TokenSource } from '../../src/identity/token-source.ts';

/** The name that {@link createTestToken}'s tokens carry. */
export const TEST_ROLE = 'alice@contoso.com';

/** A JWT of realistic size whose signature nobody checks: the server compares it as a password. */
export function createTestToken(claims: Record<string, unknown> = {}): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 3_600;
  const groups = Array.from({ length: 12 }, () => randomBytes(16).toString('hex'));
  const payload = {
    aud: 'https://ossrdbms-aad.database.windows.net',
    exp,
    upn: TEST_ROLE,
    groups,
    ...claims,
  };
  return `${encode({ typ: 'JWT', alg: 'RS256' })}.${encode(payload)}.${randomBytes(256).toString('base64url')}`;
}

/** A source that hands over what it is set to, and counts. */
export class TestTokenSource implements TokenSource {
  readonly name = 'test';
  token: string;
  fetches = 0;

  constructor(token: string) {
    this.token = token;
  }

  async fetchToken() {
    this.fetches += 1;
    return createAccessToken(this.token, 'the test', { now: Date.now() });
  }
}
