import type { Command } from './command.ts';

export const DEMO_PORT = '6432';

export const DEMO: Command = {
  name: 'demo',
  synopsis: ['demo [--once] [--port N]'],
  summary: 'try it: everything on this machine',
  description: [
    'Starts a real PostgreSQL over TLS, a stand-in for Entra that issues short-lived tokens, and the proxy; shows a first query, and how to connect. Ctrl-C, and everything is gone. Needs a clone of the repository.',
  ],
  takes: () => false,
  options: {
    once: { help: 'exit after the first query' },
    port: { help: "the proxy's port; 0 for any free one", value: 'N', default: DEMO_PORT },
  },
  examples: [{ what: 'from a clone', line: 'npm ci && npm run demo' }],
};
