import { ProxyError, SqlState } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import { dialUpstream } from '../upstream/dial.ts';
import { closeGently } from './linger.ts';
import { encodePlan } from './policy.ts';
import { logInToServer, ServerRejection } from './server-login.ts';
import type { SessionDeps } from './session.ts';

/** Protocol 3.0, which every server speaks. */
const PROTOCOL_3_0 = 0x00_03_00_00;

/**
 * Logs in once as a client would, and out again.
 *
 * @throws {@link ProxyError} with the reason, the server's own refusals included.
 */
export async function testLogin(deps: SessionDeps, identity: Identity, database: string): Promise<void> {
  const token = await identity.tokens.getToken();
  const role = await identity.roleFor(token);
  const { options } = deps.policy;
  const startup = encodePlan(
    {
      login: { kind: 'identity', identity },
      protocolVersion: PROTOCOL_3_0,
      clientUser: '',
      database: Buffer.from(database),
      applicationName: '',
      parameters: [
        { name: 'application_name', value: Buffer.from('pg-entra-proxy') },
        ...(options === undefined ? [] : [{ name: 'options', value: Buffer.from(options) }]),
      ],
    },
    role,
  );
  const signal = AbortSignal.timeout(deps.loginTimeoutMs);
  const { socket } = await dialUpstream(deps.upstream, signal);
  try {
    await logInToServer(socket, { startup, role, token: token.value }, signal);
  } catch (error) {
    if (!(error instanceof ServerRejection)) throw error;
    const { message, sqlState, hint } = error.fields;
    throw new ProxyError(
      SqlState.invalidAuthorization,
      `the server refused a test login: ${message} (${sqlState})`,
      {
        hint: hint ?? `The role was "${role}", the database "${database}": check --user and --database.`,
      },
    );
  } finally {
    void closeGently(socket);
  }
}
