import { SHUTDOWN, WAIT } from './admin.ts';
import { CHECK } from './check.ts';
import type { Command } from './command.ts';
import { COMPLETION } from './completion.ts';
import { CONNECT } from './connect.ts';
import { DEMO } from './demo.ts';
import { EXEC } from './exec.ts';
import { RUN } from './run.ts';
import { TOKEN } from './token.ts';

/** All commands, as they stand in help. */
export const COMMANDS: readonly Command[] = [
  RUN,
  CHECK,
  EXEC,
  CONNECT,
  TOKEN,
  WAIT,
  SHUTDOWN,
  COMPLETION,
  DEMO,
];
