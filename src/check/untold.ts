import { ProxyError } from '../errors.ts';
import { QueryError } from './query-session.ts';
import { type Finding, failedBy, warning } from './step.ts';

/** A server that has let us in but does not answer a question as PostgreSQL does: nothing is wrong with the login. */
export function untold(error: unknown, what: string): Finding {
  const isOver = error instanceof QueryError && error.fields.severity !== 'ERROR';
  if (error instanceof ProxyError || isOver) return failedBy(error);
  const reason = error instanceof QueryError ? `: ${error.message}` : '';
  return warning(`the server does not tell about ${what} as PostgreSQL does${reason}`, [], []);
}
