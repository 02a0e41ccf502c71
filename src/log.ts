import { destination, type Level, type Logger, pino, stdTimeFunctions } from 'pino';
import { printable, withoutTokens } from './redact.ts';

export type { Logger };

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const satisfies Level[];

export type LogFormat = 'json' | 'pretty';

/** A logger on standard error; standard output is for what a command was asked for. */
export async function createLogger(level: Level, format: LogFormat): Promise<Logger> {
  const options = { level, base: null, timestamp: stdTimeFunctions.isoTime };
  const stderr = destination({ fd: 2, sync: true });
  // Nobody reads it any more: no reason to stop serving.
  stderr.on('error', () => {});
  if (format === 'json') return pino(options, stderr);
  const { PinoPretty } = await import('pino-pretty');
  // Messages say all that matters; the fields are for machines, and for who asks for more.
  const hideObject = level !== 'debug' && level !== 'trace';
  return pino(
    options,
    PinoPretty({
      destination: stderr,
      hideObject,
      translateTime: 'SYS:HH:MM:ss',
      colorize: process.stderr.isTTY,
    }),
  );
}

/**
 * An error and its causes as one line. Errors are never logged as objects: those of HTTP clients carry
 * their whole request, secrets included.
 */
export function describeError(error: unknown, depth = 4): string {
  if (!(error instanceof Error)) return printable(withoutTokens(String(error)), 1_000);
  const code = (error as NodeJS.ErrnoException).code;
  const own = `${error.message || error.name}${typeof code === 'string' && !error.message.includes(code) ? ` (${code})` : ''}`;
  const text = printable(withoutTokens(own), 1_000);
  if (error.cause === undefined || depth === 0) return text;
  return `${text}: ${describeError(error.cause, depth - 1)}`;
}
