/**
 * SQLSTATE codes this program sends.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export const SqlState = {
  cannotConnect: '08001',
  connectionFailure: '08006',
  protocolViolation: '08P01',
  featureNotSupported: '0A000',
  invalidAuthorization: '28000',
  invalidPassword: '28P01',
  tooManyConnections: '53300',
  adminShutdown: '57P01',
  cannotConnectNow: '57P03',
  sessionTimeout: '57P05',
  internalError: 'XX000',
} as const;

export type SqlState = (typeof SqlState)[keyof typeof SqlState];

/**
 * A failure whose message may be shown to a client. `cause` is for the log only.
 * Anything else that is thrown reaches clients as XX000 with its message withheld.
 */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly sqlState: SqlState;
  readonly hint: string | undefined;

  constructor(sqlState: SqlState, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.sqlState = sqlState;
    this.hint = options.hint;
  }
}

/** The program cannot start. The message says why, and what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** One of the two peers closed or reset its connection while we waited for its bytes. */
export class PeerClosedError extends Error {
  override readonly name = 'PeerClosedError';
  readonly peer: Peer;

  constructor(peer: Peer, cause?: unknown) {
    super(`the ${peer} closed the connection`, { cause });
    this.peer = peer;
  }
}

/** The two ends of a session: who connected to us, and whom we connected to. */
export type Peer = 'client' | 'server';

/** Bad usage or configuration: every problem found, for one message and exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** Whatever was thrown, as something that may be sent to a client. */
export function toProxyError(error: unknown): ProxyError {
  if (error instanceof ProxyError) return error;
  return new ProxyError(SqlState.internalError, 'internal error in pg-entra-proxy', {
    hint: "The cause is in the proxy's log.",
    cause: error,
  });
}
