import type { Contender } from './contender.ts';

/** No hop: the client itself does TLS, verifies the server, and sends the password. */
export const direct: Contender = {
  name: 'direct TLS',
  kind: 'direct',
  async start({ port }, stage) {
    return {
      name: 'direct TLS',
      target: stage.target(port, { tls: true }),
      pid: undefined,
      startMs: undefined,
      async [Symbol.asyncDispose]() {},
    };
  },
};
