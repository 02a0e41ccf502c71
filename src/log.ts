import {
  type DestinationStream,
  type Level,
  type Logger,
  type LoggerOptions,
  pino,
  stdTimeFunctions,
} from 'pino';
import { LogFolding } from './log-folding.ts';
import { LogSink } from './log-sink.ts';
import { printable, withoutTokens } from './redact.ts';

export type { Logger };

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const satisfies Level[];

export type LogFormat = 'json' | 'pretty';

/** How often it is looked whether lines were lost. */
const LOST_CHECK_MS = 10_000;

type LogMethod = NonNullable<NonNullable<LoggerOptions['hooks']>['logMethod']>;

/**
 * A logger on standard error; standard output is for what a command was asked for. Refusals that are alike
 * are folded ({@link LogFolding}), and whatever becomes of standard error, nobody waits for it ({@link LogSink}).
 */
export async function createLogger(level: Level, format: LogFormat): Promise<Logger> {
  const stderr = new LogSink(STDERR);
  const folding = new LogFolding();
  const logMethod: LogMethod = function (args, method, number) {
    folding.take(this, args, method, number);
  };
  const options = { level, base: null, timestamp: stdTimeFunctions.isoTime, hooks: { logMethod } };
  const log = pino(options, format === 'json' ? stderr : await prettily(stderr, level));
  setInterval(() => {
    const lines = stderr.takeLost();
    if (lines > 0)
      log.warn(
        { event: 'log-lost', lines },
        `${lines} log lines were lost: standard error did not take them`,
      );
  }, LOST_CHECK_MS).unref();
  process.on('exit', () => {
    stderr.hold();
    folding.flush();
    stderr.close();
  });
  return log;
}

const STDERR = 2;

/** Lines for people. Messages say all that matters; the fields are for machines, and for who asks for more. */
async function prettily(stderr: LogSink, level: Level): Promise<DestinationStream> {
  const { prettyFactory } = await import('pino-pretty');
  const hideObject = level !== 'debug' && level !== 'trace';
  const { isTTY } = process.stderr;
  const colorize = isTTY && process.stderr.hasColors() && (process.env['NO_COLOR'] ?? '') === '';
  const pretty = prettyFactory({ hideObject, translateTime: 'SYS:HH:MM:ss', colorize });
  return { write: (line) => stderr.write(pretty(line)) };
}

/** What went wrong and what to do, as a sentence or two for people; the causes are left out. */
export function explainError(error: unknown): string {
  const hint = (error as { hint?: unknown } | undefined | null)?.hint;
  return typeof hint === 'string'
    ? `${describeError(error, 0).replace(/\.$/, '')}. ${hint}`
    : describeError(error);
}

/**
 * An error and its causes as one line. Errors are never logged as objects: those of HTTP clients carry
 * their whole request, secrets included.
 */
export function describeError(error: unknown, depth = 4): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  const code = (error as NodeJS.ErrnoException).code;
  const own = `${error.message || error.name}${typeof code === 'string' && !error.message.includes(code) ? ` (${code})` : ''}`;
  const text = oneLine(own);
  if (error.cause === undefined || depth === 0) return text;
  return `${text}: ${describeError(error.cause, depth - 1)}`;
}

function oneLine(text: string): string {
  return printable(withoutTokens(text).replaceAll(/\s+/g, ' '), 1_000);
}
