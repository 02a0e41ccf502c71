import type { SettingName } from '../../config/settings.ts';
import type { Command } from './command.ts';

/** What leads to the admin listener of a proxy that runs. */
export const ADMIN_SETTINGS: ReadonlySet<string> = new Set<SettingName>([
  'admin-address',
  'admin-port',
  'config',
]);

export const DEFAULT_WAIT = '60s';

export const WAIT: Command = {
  name: 'wait',
  synopsis: ['wait [flags]'],
  summary: 'wait until a running proxy is ready',
  description: [
    'Waits until a running proxy has started: it listens, and has its first token (GET /startup on its admin listener). That proxy needs --admin-port; this command needs the same, from the flag, PGEP_ADMIN_PORT or the file.',
  ],
  takes: (name) => ADMIN_SETTINGS.has(name),
  options: { timeout: { help: 'how long', value: 'DURATION', default: DEFAULT_WAIT } },
  examples: [{ what: 'before a job', line: 'pg-entra-proxy wait --admin-port 9090 && ./job' }],
  notes: [
    {
      heading: 'Exit status',
      paragraphs: [
        '0 when it has started; 1 after --timeout, with what was missing; 2 bad usage or configuration.',
      ],
    },
  ],
};

export const SHUTDOWN: Command = {
  name: 'shutdown',
  synopsis: ['shutdown [flags]'],
  summary: 'ask a running proxy to drain and stop',
  description: [
    'Asks a running proxy to end its sessions between transactions, and to stop (POST /quit on its admin listener). Does not wait for the end. That proxy needs --admin-port and --admin-quit; this command needs the same port, from the flag, PGEP_ADMIN_PORT or the file.',
  ],
  takes: (name) => ADMIN_SETTINGS.has(name),
  examples: [
    { what: 'after a job, so that its Pod ends', line: './job; pg-entra-proxy shutdown --admin-port 9090' },
  ],
  notes: [
    {
      heading: 'Exit status',
      paragraphs: ['0 when it has agreed; 1 if it refuses or nobody answers; 2 bad usage or configuration.'],
    },
  ],
};
