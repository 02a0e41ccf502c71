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
