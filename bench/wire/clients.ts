import { fileURLToPath } from 'node:url';
import { type ForkedChild, forkChild } from '../child.ts';
import type { ClientAnswers, ClientRequest } from './client-requests.ts';

const MAIN = fileURLToPath(new URL('client-process.ts', import.meta.url));

/** A client process. */
export interface Client extends AsyncDisposable {
  /** Does one thing at a time. @throws Error with what went wrong there. */
  ask<Request extends ClientRequest>(request: Request): Promise<ClientAnswers[Request['kind']]>;
}

interface Reply {
  readonly answer?: unknown;
  readonly error?: string;
}

export async function startClient(): Promise<Client> {
  const child: ForkedChild = await forkChild(MAIN);
  return {
    async ask(request) {
      const { answer, error } = (await child.ask(request)) as Reply;
      if (error !== undefined) throw new Error(error);
      return answer as ClientAnswers[(typeof request)['kind']];
    },
    [Symbol.asyncDispose]: () => child.end(),
  };
}
